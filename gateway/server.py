"""uvicorn, behind a door of our own: says in our log when it can be talked to."""

import socket
import ssl
from collections.abc import Sequence
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from structlog.stdlib import get_logger

from gateway.access import Access
from gateway.addresses import url
from gateway.changes import Changes
from gateway.door import Door
from gateway.patience import Patience
from gateway.plain import plain
from gateway.pulse import Pulse
from gateway.secured import Secured
from gateway.wire import Wire

log = get_logger()

SHUTDOWN_S = 10
INCOMPLETE_LIMIT_BYTES = 64 << 10  # of a head that is not whole; a whole one has its own bounds


class Server(uvicorn.Server):
    """Serves an application, and sends those home who wait when it stops."""

    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[socket.socket],
        changes: Changes,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Serve on sockets that listen already; `changes` are what answers wait for."""
        self._pulse: Pulse | None = None
        self._patience = patience or Patience()
        super().__init__(settings_of_uvicorn(app, self._patience, proxied=tls is None))
        self._listeners = listeners
        self._changes = changes
        self._tls = tls
        self._plain = Secured(Access(plain))
        self._door = Door(listeners, self._serving, self._correcting, tls, self._patience)

    def with_pulse(self, pulse: Pulse) -> Self:
        """Let a pulse beat from when it serves until it stops."""
        self._pulse = pulse
        return self

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say where; uvicorn is given no sockets, since the door has them."""
        await super().startup(sockets or [])
        self._door.open()
        host, port, *_ = self._listeners[0].getsockname()
        log.info("gateway.started", url=url("https" if self._tls else "http", host, port))
        if self._pulse:
            self._pulse.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; answers that wait for a job to move end at once."""
        if self._pulse:
            self._pulse.stop()
        self._door.close()
        self._changes.end()
        await super().shutdown(sockets)

    def _serving(self) -> Wire:
        return Wire(self.config, self.server_state, self.lifespan.state, self._patience)

    def _correcting(self) -> Wire:
        wire = self._serving()
        wire.app = self._plain
        return wire


def settings_of_uvicorn(app: ASGIApp, patience: Patience, *, proxied: bool) -> uvicorn.Config:
    """Choose what uvicorn is left to do: HTTP/1.1 over h11; it says nothing but errors.

    With TLS of our own no proxy stands before us whose word on addresses would be taken.
    """
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=proxied,
        timeout_keep_alive=patience.keep_alive_s,
        timeout_graceful_shutdown=SHUTDOWN_S,
        h11_max_incomplete_event_size=INCOMPLETE_LIMIT_BYTES,
    )
