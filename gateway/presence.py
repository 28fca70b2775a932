"""The gateway tells the others that it is here, as the stages do, and whether it is of use."""

import socket
import threading

from structlog.stdlib import get_logger

from gateway.parts import Parts
from jobstore import owner as owners
from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.owner import Owner

log = get_logger()

NAME = "gateway"
GOODBYE_S = 2  # for a beat that is under way


class Presence:
    """Beats from a thread of its own, however busy the gateway is."""

    def __init__(self, parts: Parts, owner: Owner) -> None:
        """Beat for the gateway that is `owner`; nothing is told yet."""
        self._parts = parts
        self._host = owners.machine_id(parts.settings.work)
        self._facts = {
            "state": "ready",
            "owner": owner.owner_id,
            "hostname": socket.gethostname(),
        }
        self._told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and say that the gateway has gone, unless the store is away."""
        self._stopping.set()
        self._thread.join(GOODBYE_S)
        if not self._told or self._thread.is_alive():
            return
        try:
            self._parts.store.stages.leave(NAME, self._host)
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))

    def beat(self) -> None:
        """Beat once; a busy store is tried again at the next beat."""
        facts = {**self._facts, **self._parts.served.facts()}
        try:
            self._parts.store.stages.beat(NAME, self._host, facts, now_ms())
            self._told = True
        except StoreUnavailable as error:
            self._told = False
            log.warning("heartbeat.missed", error=str(error))

    def _run(self) -> None:
        self.beat()
        while not self._stopping.wait(self._parts.settings.heartbeat_s):
            self.beat()
