"""What the checks look at: this machine, as its settings and its own services tell of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from gateway.authority import Files
from gateway.certificate import FOLDER
from gateway.settings import GatewaySettings
from jobstore import settings
from jobstore.errors import MetadataUnavailable
from jobstore.instance import Instance
from jobstore.settings import Settings

RELEASE = Path(__file__).resolve().parents[3]
ADDRESSES = ("public-hostname", "public-ipv4", "local-hostname", "local-ipv4")


def silent(_line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Machine:
    """This machine.

    `root` is where its folders `etc`, `proc` and `run` lie; `release` the tree of wan22 that runs;
    `deep`: look closely, whatever it takes; `say` tells a person how far a long check is.
    """

    root: Path = Path("/")
    release: Path = RELEASE
    deep: bool = False
    say: Callable[[str], None] = silent
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def data_dir(self) -> Path:
        """The folder for everything that lasts.

        Raises:
            SettingsWrong: it cannot be used.
        """
        return settings.read(Settings).data_dir

    @property
    def authority(self) -> Files:
        """Where `bin/wan22 certificate` keeps its files."""
        return Files(self.data_dir / FOLDER)

    @cached_property
    def instance(self) -> Instance:
        """The EC2 instance that it is, if it is one."""
        return Instance(self.environment)

    def told(self, name: str) -> str | None:
        """Ask EC2 for one thing; None: it has none, or this is no instance."""
        try:
            return self.instance.tell(name) or None
        except MetadataUnavailable:
            return None

    def addresses(self) -> list[str]:
        """List the names and addresses that EC2 has given it."""
        if self.told("instance-type") is None:
            return []
        return [address for name in ADDRESSES if (address := self.told(name))]

    def service(self) -> tuple[str, Path | None]:
        """Tell where the gateway is reached from here, and by which authority, if by ours.

        Raises:
            SettingsWrong: as it says.
        """
        given = settings.read(GatewaySettings)
        ours = self.authority
        if given.tls_cert == ours.cert:
            return given.model_copy(update={"public_url": None}).base_url, ours.authority
        if given.tls_cert and given.public_url:
            return given.public_url, None
        return given.model_copy(update={"public_url": None}).base_url, None
