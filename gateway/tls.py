"""TLS as this service speaks it, and what can be wrong with its two files."""

import ssl
from datetime import datetime
from pathlib import Path

from gateway.certificates import fits, read_certificates, read_key

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all as good
OTHERS = 0o007
MAKE = "bin/wan22 certificate ADDRESS"


def context_of(cert: Path, key: Path) -> ssl.SSLContext:
    """Make what serves TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers only.

    Raises:
        OSError: the files do not serve, as OpenSSL sees it (ssl.SSLError), or cannot be read.

    Source:
        wiki.mozilla.org/Security/Server_Side_TLS, "intermediate", without DHE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(cert, key, password=lambda: "")  # never asked for at a terminal
    return context


def checked_cert(path: Path, now: datetime) -> None:
    """Look whether the certificate that is shown, and those after it, are good now.

    Raises:
        ValueError: and how it would be.
    """
    pem = read(path)
    try:
        chain = read_certificates(pem)
    except ValueError as error:
        message = f"{path} has no readable certificate ({error}); it is a PEM file"
        raise ValueError(message) from error
    for certificate in chain:
        begins_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > ends_at:
            message = (
                f"{path} has expired on {ends_at:%Y-%m-%d}; bring a new one, or make one: {MAKE}"
            )
            raise ValueError(message)
        if now < begins_at:
            message = f"{path} begins on {begins_at:%Y-%m-%d}; look at this machine's clock"
            raise ValueError(message)


def end_of(path: Path) -> datetime:
    """Tell when the first of the certificates in a file ends.

    Raises:
        ValueError: there is none.
    """
    return min(each.not_valid_after_utc for each in read_certificates(read(path)))


def checked_key(path: Path, cert: Path) -> None:
    """Look whether the key of a certificate serves, and whether it is kept secret.

    Raises:
        ValueError: what is wrong, and how to mend it.
    """
    pem = read(path)
    if path.stat().st_mode & OTHERS:
        message = f"{path} can be read by everybody on this machine; chmod 600 {path}"
        raise ValueError(message)
    try:
        key = read_key(pem)
    except ValueError as error:
        message = f"{path} has no readable key ({error}); it is a PEM file without a password"
        raise ValueError(message) from error
    if not fits(read_certificates(read(cert))[0], key):
        message = f"{path} is not the key of {cert}; name the two that were made together"
        raise ValueError(message)
    try:
        context_of(cert, path)
    except OSError as error:
        message = f"{path} and {cert} do not serve ({error}); make others: {MAKE}"
        raise ValueError(message) from error


def read(path: Path) -> bytes:
    """Read a file.

    Raises:
        ValueError: why it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); name a PEM file, or make it: {MAKE}"
        raise ValueError(message) from error
