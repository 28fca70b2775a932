"""The settings of the gateway, held to what may listen: refused where strangers could come in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr, ValidationInfo, field_validator

from gateway.addresses import is_public, resolved
from gateway.settings import PLAIN_HTTP, WEAK_KEY, GatewaySettings
from gateway.strength import weakness
from gateway.tls import MAKE, checked_cert, checked_key, end_of
from jobstore.settings import said

SOON = timedelta(days=30)
NEW_KEY = "make one: openssl rand -hex 32"


class ListeningSettings(GatewaySettings):
    """Those of the gateway; a field is looked at after those it depends on, which stand above."""

    @field_validator("tls_cert")
    @classmethod
    def _is_good_now(cls, cert: Path | None) -> Path | None:
        if cert:
            checked_cert(cert, datetime.now(UTC))
        return cert

    @field_validator("tls_key")
    @classmethod
    def _fits_the_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        cert = info.data.get("tls_cert")
        if key and cert:
            checked_key(key, cert)
        return key

    @field_validator("host")
    @classmethod
    def _is_safe(cls, host: str, info: ValidationInfo) -> str:
        encrypts = info.data.get("tls_cert", "wrong")  # a wrong one is told by itself
        if reachable(host) and not encrypts and PLAIN_HTTP not in allowed(info):
            message = (
                f"{host} can be reached by others, who could read keys on their way: set TLS_CERT"
                f" and TLS_KEY ({MAKE}), or listen on 127.0.0.1, or, behind a proxy that does TLS,"
                f" say ALLOW_UNSAFE={PLAIN_HTTP}"
            )
            raise ValueError(message)
        return host

    @field_validator("api_secret_key")
    @classmethod
    def _cannot_be_guessed(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        host = info.data.get("host")
        weak = weakness(key.get_secret_value())
        if weak and host and reachable(host) and WEAK_KEY not in allowed(info):
            message = (
                f"{weak}, and {host} can be reached by others, who would guess it: {NEW_KEY},"
                f" or say ALLOW_UNSAFE={WEAK_KEY}"
            )
            raise ValueError(message)
        return key

    @property
    def public(self) -> bool:
        """Whether others can reach it."""
        return reachable(self.host)

    def doubts(self, now: datetime) -> list[str]:
        """Tell what goes on though it should not: allowed, on loopback, or near its end."""
        plain = self.public and self.tls_cert is None
        weak = weakness(self.api_secret_key.get_secret_value())
        ends_at = self.tls_cert and end_of(self.tls_cert)
        return [
            *([f"others can reach HOST {self.host}, and nothing is encrypted"] if plain else []),
            *([f"API_SECRET_KEY {weak}"] if weak else []),
            *([f"TLS_CERT ends on {ends_at:%Y-%m-%d}"] if ends_at and ends_at - now < SOON else []),
        ]


def allowed(info: ValidationInfo) -> set[str]:
    """Read what was allowed in words."""
    return set(str(info.data.get("allow_unsafe", "")).split(","))


def reachable(host: str) -> bool:
    """Tell whether others can reach a host of this machine.

    Raises:
        ValueError: it has no address.
    """
    try:
        return any(is_public(address) for address in resolved(host, 0))
    except (OSError, UnicodeError) as error:
        message = f"{host} has no address ({said(error)}); name one of this machine's"
        raise ValueError(message) from error
