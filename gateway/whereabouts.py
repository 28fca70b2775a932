"""Where this machine is now: EC2 gives it another address at each start, its certificate follows.

What a person named stays good. Beside it stand the name of the host and what EC2 tells, as far as
the authority may sign for it: of a name that it may not sign for, nobody is told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.authority import Files, Issued, issue
from gateway.certificates import Certificate, may_sign, named, names_of, read_certificates
from jobstore.errors import MetadataUnavailable
from jobstore.files import write_whole
from jobstore.instance import Instance

TOLD = ("public-hostname", "public-ipv4", "local-hostname", "local-ipv4")


def issue_here(
    files: Files, given: Sequence[str], host: str, instance: Instance, now: datetime
) -> Issued:
    """See to it that there is a certificate for where this machine is now.

    While EC2 does not answer, nothing that the certificate was good for is taken from it.

    Args:
        files: where everything lies.
        given: the addresses that a person names; without any, those he named the last time.
        host: what this machine is called.
        instance: whom to ask.
        now: the time.

    Raises:
        AddressWrong: one of those given is no address.
        AuthorityUnfit: it is broken, too old, or was not made for one of those given.
        OSError: the folder cannot be written.
    """
    kept = list(given) or kept_addresses(files)
    found = told(instance)
    if found is None:
        found = standing_addresses(files)
    issued = issue(files, [*kept, *usable(files, [host, *found])], host, now)
    keep_addresses(files, given)
    return issued


def told(instance: Instance) -> list[str] | None:
    """Ask EC2 for the names and addresses of this machine; None: nobody answers."""
    try:
        return [word for name in TOLD for word in (instance.tell(name) or "").split()]
    except MetadataUnavailable:
        return None


def kept_addresses(files: Files) -> list[str]:
    """Read the addresses that a person has named."""
    if not files.addresses.exists():
        return []
    return files.addresses.read_text(encoding="utf-8").split()


def keep_addresses(files: Files, given: Iterable[str]) -> None:
    """Remember the addresses that a person names, if he names any."""
    content = "".join(f"{address}\n" for address in given).encode()
    if content and not (files.addresses.exists() and files.addresses.read_bytes() == content):
        write_whole(files.addresses, content)


def standing_addresses(files: Files) -> list[str]:
    """Tell what the certificate is good for that is there."""
    leaf = first_of(files.cert.read_bytes()) if files.cert.exists() else None
    return [str(name.value) for name in names_of(leaf)] if leaf else []


def usable(files: Files, addresses: Iterable[str]) -> list[str]:
    """Leave out what is no address, and what the authority, if there is one, may not sign for."""
    authority = first_of(files.authority.read_bytes()) if files.authority.exists() else None
    return [address for address in addresses if is_usable(address, authority)]


def is_usable(address: str, authority: Certificate | None) -> bool:
    """Tell whether a certificate can be issued for an address."""
    try:
        name = named(address)
    except ValueError:
        return False
    return authority is None or may_sign(authority, name)


def first_of(pem: bytes) -> Certificate | None:
    """Read the first certificate of a file; None: there is none."""
    try:
        return read_certificates(pem)[0]
    except ValueError:
        return None
