"""`bin/wan22 certificate ADDRESS...`: what TLS needs, from an authority of one's own."""

import argparse
import socket
import sys
from datetime import UTC, datetime

from gateway.addresses import url
from gateway.authority import Files, day, issue
from jobstore import settings
from jobstore.errors import Wan22Error

FOLDER = "tls"


def main() -> int:
    """Issue what is asked for; the exit code is 0 when it is there."""
    asked = parsed()
    try:
        files = Files(settings.read(settings.Settings).data_dir / FOLDER)
        issued = issue(files, asked.address, socket.gethostname(), datetime.now(UTC))
    except (Wan22Error, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"TLS_CERT={files.cert}\nTLS_KEY={files.key}")
    sys.stdout.flush()
    new = "A new authority was made" if issued.new_authority else "The authority is there already"
    leaf = "was issued; restart the gateway" if issued.new_leaf else "is there already"
    sys.stderr.write(
        f"{new}; it ends on {day(issued.authority)}.\n"
        f"The certificate {leaf}; it ends on {day(issued.leaf)}, run this again a month before.\n"
        "The two lines above are the settings of the gateway. Callers trust the authority:\n"
        f"    scp THIS_MACHINE:{files.authority} .\n"
        f"    curl --cacert authority.pem {url('https', asked.address[0], 8000)}/health\n"
        "    NODE_EXTRA_CA_CERTS=authority.pem for Node, SSL_CERT_FILE=authority.pem for Python\n"
        f"Nobody ever needs {files.authority_key}, which stays here.\n"
    )
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22 certificate",
        description="Make a certificate for the gateway, and an authority that callers trust once.",
    )
    parser.add_argument(
        "address", nargs="+", help="a host name or IP address by which callers reach the gateway"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
