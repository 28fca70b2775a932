"""`python -m gateway`: REST on HOST and PORT."""

import signal
import socket
import sys

import uvicorn
from structlog.stdlib import get_logger

from gateway import app
from gateway.changes import Changes
from gateway.parts import Parts
from jobstore import process, settings
from jobstore.fetch import Fetcher
from jobstore.objects import Objects
from jobstore.owner import Owner
from jobstore.reach import Reach
from jobstore.store import Store

log = get_logger()

SHUTDOWN_S = 10


class Server(uvicorn.Server):
    """uvicorn, saying in our log when it can be talked to, and sending home those who wait."""

    def __init__(self, config: uvicorn.Config, changes: Changes) -> None:
        """Serve; `changes` are what answers wait for."""
        super().__init__(config)
        self._changes = changes

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            log.info("gateway.started", url=f"http://{self.config.host}:{self.config.port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; answers that wait for a job to move end at once."""
        self._changes.end()
        await super().shutdown(sockets)


def serve() -> int:
    """Read the settings, open what is needed, and serve until told to stop.

    uvicorn takes the signals while it runs, and raises them once more after its orderly end: they
    come to our handler then, as they do before it runs.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    given = settings.read(settings.GatewaySettings)
    owner = Owner.join(given.work)  # so that others can tell that a gateway is here
    store = Store.open(given.store_url, given.wake)
    fetcher = Fetcher(Reach.over(http=given.image_url_http))
    parts = Parts(given, given.abilities(), store, Objects.of(given), fetcher)
    config = uvicorn.Config(
        app.build(parts),
        host=given.host,
        port=given.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    try:
        Server(config, parts.changes).run()
    finally:
        store.close()
        owner.leave()
        log.info("gateway.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(process.run("gateway", serve))
