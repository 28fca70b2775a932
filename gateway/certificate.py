"""`bin/wan22 certificate`: what TLS needs, from an authority of one's own."""

import argparse
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field
from structlog.stdlib import get_logger

from gateway.addresses import url
from gateway.authority import Files, Issued, day, issue
from gateway.whereabouts import issue_here, keep_addresses
from jobstore import process, settings
from jobstore.errors import Wan22Error
from jobstore.instance import Instance

FOLDER = "tls"

log = get_logger()


class CertificateSettings(settings.Settings):
    """What of the gateway's settings matters here."""

    tls_cert: Path | None = Field(None, description="the certificate that is shown")


def main() -> int:
    """Issue what is asked for; the exit code is 0 when it is there."""
    asked = parsed()
    if asked.at_start:
        return process.run("gateway", renew)
    try:
        files = Files(settings.read(settings.Settings).data_dir / FOLDER)
        issued = issue_as(asked, files)
    except (Wan22Error, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"TLS_CERT={files.cert}\nTLS_KEY={files.key}")
    sys.stdout.flush()
    sys.stderr.write(told(files, issued, (*asked.address, socket.gethostname())[0]))
    return 0


def renew() -> int:
    """Before the gateway starts: follow the machine to where it is now.

    If that cannot be, it goes on with the certificate it has: nothing here keeps it from starting.
    """
    given = settings.read(CertificateSettings)
    files = Files(given.data_dir / FOLDER)
    if given.tls_cert is None or given.tls_cert.resolve() != files.cert:
        return 0
    try:
        issued = issue_here(files, [], socket.gethostname(), Instance(), datetime.now(UTC))
    except (Wan22Error, OSError) as error:
        log.error("certificate.missed", error=str(error))
        return 1
    if issued.new_leaf:
        log.info("certificate.issued", names=issued.names, ends_on=day(issued.leaf))
    return 0


def issue_as(asked: argparse.Namespace, files: Files) -> Issued:
    """Issue for the addresses named, or for where this machine is."""
    host, now = socket.gethostname(), datetime.now(UTC)
    if asked.here:
        return issue_here(files, asked.address, host, Instance(), now)
    issued = issue(files, asked.address, host, now)
    keep_addresses(files, asked.address)
    return issued


def told(files: Files, issued: Issued, address: str) -> str:
    """Say to a person what there is now, and what callers do with it."""
    new = "A new authority was made" if issued.new_authority else "The authority is there already"
    leaf = "was issued; restart the gateway" if issued.new_leaf else "is there already"
    return (
        f"{new}; it ends on {day(issued.authority)}.\n"
        f"The certificate {leaf}; it ends on {day(issued.leaf)}, run this again a month before.\n"
        f"It is good for {', '.join(issued.names)}.\n"
        "The two lines above are the settings of the gateway. Callers trust the authority:\n"
        f"    scp THIS_MACHINE:{files.authority} .\n"
        f"    curl --cacert authority.pem {url('https', address, 8000)}/health\n"
        "    NODE_EXTRA_CA_CERTS=authority.pem for Node, SSL_CERT_FILE=authority.pem for Python\n"
        f"Nobody ever needs {files.authority_key}, which stays here.\n"
    )


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22 certificate",
        description="Make a certificate for the gateway, and an authority that callers trust once.",
    )
    parser.add_argument(
        "address", nargs="*", help="a host name or IP address by which callers reach the gateway"
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="also for this machine's name, and what EC2 tells of it; without an address, for those"
        " that were named the last time",
    )
    parser.add_argument(
        "--at-start",
        action="store_true",
        help="as the unit of the gateway runs it: --here, if TLS_CERT is what was made here",
    )
    asked = parser.parse_args()
    if not (asked.address or asked.here or asked.at_start):
        parser.error("name an address, or say --here")
    return asked


if __name__ == "__main__":
    sys.exit(main())
