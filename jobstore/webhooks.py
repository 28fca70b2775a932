"""The settings of webhooks, and where webhooks may go."""

import base64
import binascii
import re
from ipaddress import ip_address, ip_network

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobstore.errors import FetchRefused
from jobstore.reach import Exempt, Reach, port_of

PREFIX = "whsec_"
LENGTHS = range(24, 65)
"""How long a secret is.

Source:
    Standard Webhooks 1.0.0, "Signature scheme": between 24 and 64 bytes, as base64 after `whsec_`.
"""
ALLOWED = re.compile(r"(?:\[([0-9a-fA-F:./]+)\]|([0-9./]+))(?::([0-9]{1,5}))?")
PORT_MOST = 65_535


class WebhookSettings(BaseSettings):
    """What a process needs that takes webhooks in, or sends them."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    webhook_allow: str = Field(
        "", description="networks of one's own that webhooks may go to, each with a port"
    )
    webhook_secret: SecretStr | None = Field(None, description="what webhooks are signed with")
    webhook_url: str | None = Field(
        None, description="where the end of a job is told that names no webhook_url"
    )

    @field_validator("webhook_allow")
    @classmethod
    def _names_networks(cls, allowed: str) -> str:
        try:
            exemptions(allowed)
        except ValueError as error:
            message = (
                "is networks, each with a port if need be, and commas between them:"
                " 10.0.0.0/8:8080,[fd00::/8]:8443"
            )
            raise ValueError(message) from error
        return allowed

    @field_validator("webhook_secret")
    @classmethod
    def _is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not is_secret(secret.get_secret_value()):
            message = (
                f"is {PREFIX} and the base64 of {LENGTHS[0]} to {LENGTHS[-1]} bytes; make one:"
                f' echo "{PREFIX}$(openssl rand -base64 32)"'
            )
            raise ValueError(message)
        return secret

    @field_validator("webhook_url")
    @classmethod
    def _can_be_told(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None or not {"webhook_allow", "webhook_secret"} <= info.data.keys():
            return url  # the others are told by themselves
        if info.data["webhook_secret"] is None:
            message = "needs WEBHOOK_SECRET beside it"
            raise ValueError(message)
        try:
            check_target(url, exemptions(info.data["webhook_allow"]))
        except FetchRefused as error:
            message = "is an https:// URL on the usual port, or leads to what WEBHOOK_ALLOW has"
            raise ValueError(message) from error
        return url

    @property
    def webhook_exempt(self) -> tuple[Exempt, ...]:
        """The networks of one's own that webhooks may go to."""
        return exemptions(self.webhook_allow)


def exemptions(allowed: str) -> tuple[Exempt, ...]:
    """Read a list such as `10.0.0.0/8:8080,[fd00::/8]:8443,10.1.2.3`.

    Raises:
        ValueError: it is none.
    """
    return tuple(exemption(each.strip()) for each in allowed.split(",") if each.strip())


def exemption(text: str) -> Exempt:
    """Read a network, and the port behind it; without one, the usual ports are meant.

    Raises:
        ValueError: it is none.
    """
    match = ALLOWED.fullmatch(text)
    port = int(match[3]) if match and match[3] else None
    if match is None or (port is not None and not 1 <= port <= PORT_MOST):
        message = "is no network with a port"
        raise ValueError(message)
    return Exempt(ip_network(match[1] or match[2]), port)


def is_secret(text: str) -> bool:
    """Tell whether a text can be the secret of webhooks."""
    try:
        content = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(PREFIX) and len(content) in LENGTHS


def reach_of(scheme: str, exempt: tuple[Exempt, ...]) -> Reach:
    """Tell where webhooks of a scheme may go: http to the networks of one's own alone."""
    return Reach.within(exempt) if scheme == "http" else Reach.over(http=False, exempt=exempt)


def scheme_of(url: str) -> str:
    """Tell the scheme of a URL, whatever else it is."""
    return url.partition(":")[0].lower()


def check_target(url: str, exempt: tuple[Exempt, ...]) -> None:
    """Check where a webhook is to go, by what its URL says.

    What a name means is checked when it is connected to, each time.

    Raises:
        FetchRefused: a webhook never goes there.
    """
    reach = reach_of(scheme_of(url), exempt)
    place = reach.url(url)
    try:
        address = ip_address(place.host)
    except ValueError:
        return
    reach.choose([address], port_of(place))
