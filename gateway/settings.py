"""What the gateway has to know besides what all processes do."""

import contextlib
import re
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from jobstore.keeping import KeepSettings
from jobstore.settings import ModelSettings, StorageSettings
from jobstore.webhooks import WebhookSettings

PLAIN_HTTP, WEAK_KEY = "plain-http", "weak-key"  # what ALLOW_UNSAFE allows


class GatewaySettings(WebhookSettings, StorageSettings, ModelSettings, KeepSettings):
    """What the gateway needs besides."""

    allow_unsafe: str = Field("", description="what is done though it is unsafe, in words")
    tls_cert: Path | None = Field(None, description="PEM: the certificate that is shown")
    tls_key: Path | None = Field(None, validate_default=True, description="PEM: the key of it")
    queued_most: int = Field(10_000, ge=1, description="how many jobs may wait, of all keys")
    key_queued_most: int = Field(1000, ge=1, description="how many jobs of a named key may wait")
    key_running_most: int = Field(
        100, ge=1, description="how many jobs of a named key may be rendered when it sends another"
    )
    key_tries: int = Field(
        10, ge=0, description="how many wrong keys of one address are answered at once"
    )
    host: str = Field("127.0.0.1", description="the address the gateway listens on")
    port: int = Field(8000, ge=1, le=65_535, description="the port the gateway listens on")
    public_url: str | None = Field(
        None, description="where callers reach the gateway; HOST and PORT if unset"
    )
    image_url_http: bool = Field(
        default=False,
        description="fetch pictures over http as well, which anybody on the way alters",
    )
    api_secret_key: SecretStr = Field(min_length=1, description="what callers send as X-API-Key")

    @field_validator("allow_unsafe")
    @classmethod
    def _is_said_in_words(cls, allowed: str) -> str:
        if not set(allowed.split(",")) <= {"", PLAIN_HTTP, WEAK_KEY}:
            message = f"is {PLAIN_HTTP}, {WEAK_KEY}, or both with a comma between"
            raise ValueError(message)
        return allowed

    @field_validator("public_url")
    @classmethod
    def _is_a_base(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", url):
            message = "is http:// or https:// and a host, with a port and a path if need be"
            raise ValueError(message)
        return url and url.rstrip("/")

    @property
    def base_url(self) -> str:
        """Where callers reach the gateway, without a slash at the end."""
        return self.public_url or self.local_url

    @property
    def local_url(self) -> str:
        """Where this machine itself reaches it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        with contextlib.suppress(ValueError):
            host = "127.0.0.1" if ip_address(self.host).is_unspecified else host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @field_validator("tls_key")
    @classmethod
    def _comes_with_its_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_cert" in info.data and (key is None) != (info.data["tls_cert"] is None):
            message = "is set together with TLS_CERT, or neither of them"
            raise ValueError(message)
        return key

    @field_validator("api_secret_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            message = "is made of visible ASCII characters, as a header can carry them"
            raise ValueError(message)
        return key
