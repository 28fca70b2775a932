"""The files of TLS in one folder: an authority that stays, and a leaf issued when it has to be."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.certificates import (
    DAY,
    LOCAL,
    Certificate,
    Key,
    Name,
    authority_of,
    fits,
    leaf_of,
    may_sign,
    named,
    names_of,
    new_key,
    pem_of,
    read_certificates,
    read_own_key,
    signed_by,
)
from jobstore.errors import Wan22Error
from jobstore.files import write_whole

RENEW_BEFORE = 30 * DAY
SECRET = 0o600


class AddressWrong(Wan22Error):
    """What the certificate should be for is no address: send a host name or an IP address."""


class AuthorityUnfit(Wan22Error):
    """The authority cannot sign this: make another, which callers then have to trust."""


@dataclass(frozen=True)
class Files:
    """Where everything lies; `authority` is for callers, the two keys are for nobody."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What callers trust."""
        return self.folder / "authority.pem"

    @property
    def authority_key(self) -> Path:
        """What signs."""
        return self.folder / "authority.key"

    @property
    def cert(self) -> Path:
        """TLS_CERT: what the gateway shows."""
        return self.folder / "gateway.pem"

    @property
    def key(self) -> Path:
        """TLS_KEY: what the gateway keeps."""
        return self.folder / "gateway.key"

    @property
    def addresses(self) -> Path:
        """What a person named, one a line: good wherever the machine is."""
        return self.folder / "addresses"


@dataclass(frozen=True)
class Issued:
    """What is there now, and whether it is new."""

    authority: Certificate
    leaf: Certificate
    new_authority: bool
    new_leaf: bool

    @property
    def names(self) -> list[str]:
        """What the leaf is good for."""
        return sorted(str(name.value) for name in names_of(self.leaf))


def issue(files: Files, addresses: Sequence[str], host: str, now: datetime) -> Issued:
    """See to it that there is a certificate for some addresses, and for this machine by itself.

    The authority is made once, and stays; so does the gateway's key, so that only one file changes.
    A leaf that is good for just these addresses and for another month stays as well.

    Args:
        files: where; the folder is made if it is not there.
        addresses: host names and IP addresses by which callers reach the gateway.
        host: what this machine is called, for the authority's name.
        now: the time.

    Raises:
        AddressWrong: one is no address.
        AuthorityUnfit: it is broken, too old, or was not made for such a name.
        OSError: the folder cannot be written.
    """
    names = names_for(addresses)
    files.folder.mkdir(parents=True, exist_ok=True)
    with alone(files.folder):
        new_authority = not files.authority.exists()
        if new_authority:
            found(files, host, names, now)
        authority, authority_key = signing(files, names, now)
        if not files.key.exists():
            write_whole(files.key, pem_of(new_key()), SECRET)
        key = read_own_key(files.key.read_bytes())
        leaf = standing(files.cert, authority, key, now)
        if leaf and names_of(leaf) == set(names):
            return Issued(authority, leaf, new_authority, new_leaf=False)
        leaf = leaf_of(authority, authority_key, key, names, now)
        write_whole(files.cert, pem_of(leaf))
        return Issued(authority, leaf, new_authority, new_leaf=True)


def names_for(addresses: Sequence[str]) -> list[Name]:
    """Read addresses, and add those of a machine for itself.

    Raises:
        AddressWrong: one is no address.
    """
    try:
        return list(dict.fromkeys(named(address) for address in (*addresses, *LOCAL)))
    except ValueError as error:
        message = f"{error}; name those by which callers reach the gateway."
        raise AddressWrong(message) from error


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others from issuing in the same folder, until this is done."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def found(files: Files, host: str, names: Sequence[Name], now: datetime) -> None:
    """Make the authority; its key first, since one without its certificate is trusted by nobody."""
    key = new_key()
    write_whole(files.authority_key, pem_of(key), SECRET)
    write_whole(files.authority, pem_of(authority_of(key, host, names, now)))


def signing(files: Files, names: Sequence[Name], now: datetime) -> tuple[Certificate, Key]:
    """Read the authority, and its key, if it may sign for all names.

    Raises:
        AuthorityUnfit: why not, and how there will be one that may.
    """
    try:
        authority, *_ = read_certificates(files.authority.read_bytes())
        key = read_own_key(files.authority_key.read_bytes())
    except (OSError, ValueError) as error:
        raise AuthorityUnfit(unfit(files, f"cannot be read ({error})")) from error
    strange = [str(name.value) for name in names if not may_sign(authority, name)]
    if not fits(authority, key):
        reason = "has the key of another one"
    elif authority.not_valid_after_utc - now < RENEW_BEFORE:
        reason = f"ends on {day(authority)}"
    elif strange:
        reason = f"was not made for {', '.join(strange)}, and may not sign for it"
    else:
        return authority, key
    raise AuthorityUnfit(unfit(files, reason))


def unfit(files: Files, reason: str) -> str:
    """Say what is wrong with the authority, and what to do."""
    anew = f"move {files.folder} away, run this again, and let callers trust the new one"
    return f"The authority {files.authority} {reason}; {anew}."


def standing(cert: Path, authority: Certificate, key: Key, now: datetime) -> Certificate | None:
    """Read the leaf that is there, if it is sound and good for another month."""
    try:
        leaf, *_ = read_certificates(cert.read_bytes())
    except (OSError, ValueError):
        return None
    lasts = leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - RENEW_BEFORE
    return leaf if lasts and fits(leaf, key) and signed_by(leaf, authority) else None


def day(certificate: Certificate) -> str:
    """Tell when a certificate ends."""
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"
