"""The port of the gateway, and the HTTPS that it speaks there."""

import socket
import ssl

import httpx2

from gateway.addresses import CannotListen, listen
from gateway.certificates import DAY, named, names_of, read_certificates, signed_by
from gateway.settings import GatewaySettings
from gateway.tls import checked_cert, checked_key, end_of, read
from jobstore import settings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine
from local.doctor.service import health

SOON = 30 * DAY
PLAIN = "plain HTTP, no TLS_CERT"
NOBODY = "nothing answers; start it: bin/start, or sudo systemctl start wan22.target"


def port(machine: Machine) -> Finding:
    """Look whether the port is free, or answered by our own gateway."""
    given = settings.read(GatewaySettings)
    place = f"port {given.port} of {given.host}"
    if health(machine):
        return ok(f"{place}: our gateway listens")
    try:
        listeners = listen(given.host, given.port, public=True)
    except CannotListen as error:
        return fail(
            str(error),
            f"end who listens there, see: sudo ss -ltnp 'sport = :{given.port}'; or set PORT",
        )
    for listener in listeners:
        listener.close()
    return ok(f"{place}: free")


def certificate(machine: Machine) -> Finding:
    """Look at the certificate: its end, its key, its names, who signed it."""
    given = settings.read(GatewaySettings)
    if given.tls_cert is None or given.tls_key is None:
        return ok(PLAIN)
    names = needed(machine, given)
    anew = f"bin/wan22 certificate {' '.join(names) or 'ADDRESS'}, then restart the gateway"
    try:
        checked_cert(given.tls_cert, machine.clock())
        checked_key(given.tls_key, given.tls_cert)
    except ValueError as error:
        return fail(str(error), anew)
    leaf = read_certificates(read(given.tls_cert))[0]
    ours = machine.authority
    if given.tls_cert == ours.cert and not signed_by(
        leaf, read_certificates(read(ours.authority))[0]
    ):
        return fail(f"{given.tls_cert} was not signed by {ours.authority}", anew)
    good_for = names_of(leaf)
    missing = [name for name in names if named(name) not in good_for]
    if missing:
        return fail(f"it is not good for {', '.join(missing)}, as this machine is called now", anew)
    ends_at = end_of(given.tls_cert)
    if ends_at - machine.clock() < SOON:
        return warn(f"it ends on {ends_at:%Y-%m-%d}", anew)
    return ok(f"good until {ends_at:%Y-%m-%d}{' for ' if names else ''}{', '.join(names)}")


def needed(machine: Machine, given: GatewaySettings) -> list[str]:
    """List by what callers may reach the gateway: what EC2 says now, and PUBLIC_URL."""
    public = [httpx2.URL(given.public_url).host] if given.public_url else []
    return list(dict.fromkeys([*machine.addresses(), *public]))


def https(machine: Machine) -> Finding:
    """Connect as a caller does who trusts the authority alone."""
    if settings.read(GatewaySettings).tls_cert is None:
        return ok(PLAIN)
    url, authority = machine.service()
    place = httpx2.URL(url)
    trust = f"trusted by {authority}" if authority else "trusted by this machine"
    try:
        context = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection((place.host, place.port or 443), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=place.host) as wrapped,
        ):
            version = wrapped.version()
    except ssl.SSLCertVerificationError as error:
        return fail(
            f"{url} is not {trust}: {error.verify_message}",
            "restart the gateway, or make a new one: bin/wan22 certificate ADDRESS",
        )
    except ssl.SSLError as error:
        return fail(f"{url} speaks no TLS: {error.reason}", "restart the gateway")
    except OSError as error:
        return warn(f"{url}: {error.strerror or error}", NOBODY)
    return ok(f"{url} speaks {version}, {trust}")
