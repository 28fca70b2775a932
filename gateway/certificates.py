"""Certificates: an authority of one's own, leaves that it signs, and what a certificate says."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Certificate = x509.Certificate
Key = ec.EllipticCurvePrivateKey
AnyKey = PrivateKeyTypes
Name = x509.GeneralName

DAY = timedelta(days=1)
SKEW = DAY  # a caller's clock may be so much behind
AUTHORITY_LASTS = 3650 * DAY
LEAF_LASTS = 397 * DAY
LOCAL = ("localhost", "127.0.0.1", "::1")
EC2 = ("compute.amazonaws.com", "compute-1.amazonaws.com", "compute.internal", "ec2.internal")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"(?=.{{1,253}}$)({LABEL}\.)*{LABEL}")


def named(address: str) -> Name:
    """Read a name or an IP address that callers use.

    Raises:
        ValueError: it is neither; a URL, for one.
    """
    address = address.strip("[]").removesuffix(".").lower()
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        if not NAME.fullmatch(address) or address.rpartition(".")[2].isdigit():
            message = f"{address!r} is neither a host name nor an IP address"
            raise ValueError(message) from None
    return x509.DNSName(address)


def new_key() -> Key:
    """Make a key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority_of(key: Key, host: str, names: Iterable[Name], now: datetime) -> Certificate:
    """Make an authority that callers can trust without trusting it with everything.

    Whoever has its key can sign for any IP address, but of host names only for those named here,
    for what is below them, for `localhost`, and for the names that EC2 gives its machines: not for
    the caller's bank.

    Args:
        key: its own.
        host: the machine, for people who look at it.
        names: those that it may sign for; IP addresses do not matter.
        now: it is good from a day before.

    Source:
        Name constraints limit only the kinds of names they list: RFC 5280, 4.2.1.10. Names of EC2:
        docs.aws.amazon.com, "EC2 instance hostnames and domains".
    """
    own = {name.value for name in names if isinstance(name, x509.DNSName)}
    permitted = [x509.DNSName(name) for name in sorted({*own, "localhost", *EC2})]
    subject = common_name(f"wan22 authority of {host}"[:64])
    return (
        begun(subject, subject, key, now, now + AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def leaf_of(
    authority: Certificate,
    authority_key: Key,
    key: Key,
    names: Sequence[Name],
    now: datetime,
) -> Certificate:
    """Make what a server shows, signed by an authority and good for names; at most 397 days.

    Source:
        Apple refuses certificates of public authorities beyond 398 days
        (support.apple.com/102028); no rule for others is stricter.
    """
    ends_at = min(now - SKEW + LEAF_LASTS, authority.not_valid_after_utc)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        begun(common_name("wan22 gateway"), authority.subject, key, now, ends_at)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs=False), critical=True)
        .add_extension(server, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )


def begun(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    """Begin with what every certificate has."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def common_name(text: str) -> x509.Name:
    """Name somebody; with a space in it, it is never taken for a host name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*, signs: bool) -> x509.KeyUsage:
    """Say what a key is for: signing certificates, or the handshakes of a server."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def names_of(certificate: Certificate) -> set[Name]:
    """Tell which names and addresses a certificate is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return set(found.value)


def may_sign(authority: Certificate, name: Name) -> bool:
    """Tell whether an authority of ours is allowed to sign for a name."""
    if not isinstance(name, x509.DNSName):
        return True
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    return any(
        f".{name.value}".endswith(f".{permitted.value}")
        for permitted in limits.permitted_subtrees or ()
    )


def signed_by(certificate: Certificate, authority: Certificate) -> bool:
    """Tell whether an authority signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def fits(certificate: Certificate, key: AnyKey) -> bool:
    """Tell whether a key is that of a certificate."""
    return certificate.public_key() == key.public_key()


def read_certificates(pem: bytes) -> list[Certificate]:
    """Read the certificates of a PEM file, the leaf first.

    Raises:
        ValueError: there is none.
    """
    return x509.load_pem_x509_certificates(pem)


def read_key(pem: bytes) -> AnyKey:
    """Read a key from a PEM file.

    Raises:
        ValueError: there is none that can be read without a password.
    """
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError(str(error)) from error


def read_own_key(pem: bytes) -> Key:
    """Read a key that was made here.

    Raises:
        ValueError: there is none, or another kind of key.
    """
    key = read_key(pem)
    if isinstance(key, Key):
        return key
    message = "the key is of another kind than those made here"
    raise ValueError(message)


def pem_of(what: Certificate | Key) -> bytes:
    """Write a certificate, or a key without a password, as PEM."""
    if isinstance(what, Certificate):
        return what.public_bytes(serialization.Encoding.PEM)
    return what.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
