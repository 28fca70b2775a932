"""Where connections come in: bounded in number, looked at by their first byte, then handed on."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

from structlog.stdlib import get_logger

from gateway.patience import Patience
from gateway.wire import Wire

log = get_logger()

HANDSHAKE = b"\x16"  # how every TLS connection begins: RFC 8446, 5.1, ContentType handshake
ACCEPT_PAUSE_S = 0.1
UNSENT_BYTES = 64 << 10  # so much of an answer the kernel takes beyond what is on its way


class Guest:
    """One connection, from its first packet to its end."""

    def __init__(self, connection: socket.socket) -> None:
        """Come in."""
        self.connection = connection
        self.handed_on = False  # to asyncio, which closes it then
        self.since = asyncio.get_running_loop().time()
        self.wire: Wire | None = None
        self.stay: asyncio.Task[None] | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when there is no request of his to answer; None while there is one."""
        if self.wire is None:
            return self.since
        return None if self.wire.busy else self.wire.idle_since


class Door:
    """Takes connections from listening sockets; with TLS, what speaks plain HTTP is told so.

    Nothing stands between a connection and asyncio's own transport once it has been handed on.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        serve: Callable[[], Wire],
        correct: Callable[[], Wire],
        tls: ssl.SSLContext | None,
        patience: Patience,
    ) -> None:
        """Stand before listening sockets.

        Args:
            listeners: they do not block, and are closed with the door.
            serve: makes what serves a connection.
            correct: makes what serves one that should have been TLS.
            tls: None where all is plain HTTP.
            patience: with those who are slow, or too many.
        """
        self._listeners = listeners
        self._serve = serve
        self._correct = correct
        self._tls = tls
        self._patience = patience
        self._options = (
            (socket.TCP_NODELAY, 1),  # an answer's last bytes wait for nothing
            (socket.TCP_USER_TIMEOUT, int(patience.unread_s * 1000)),
            (socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES),
        )
        self._guests: set[Guest] = set()
        self._taking: list[asyncio.Task[None]] = []
        self._crowded = False

    def open(self) -> None:
        """Take connections from now on."""
        loop = asyncio.get_running_loop()
        self._taking = [loop.create_task(self._take(each)) for each in self._listeners]

    def close(self) -> None:
        """Take no more, and let those go that are not in yet; the others end with their wires."""
        for task in self._taking:
            task.cancel()
        for guest in [guest for guest in self._guests if guest.wire is None]:
            self._let_go(guest)

    async def _take(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:  # no file is left, or the caller has gone already
                    log.warning("connection.missed", error=str(error))
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                self._let_in(connection)
                await asyncio.sleep(0)  # those who are in come first

    def _let_in(self, connection: socket.socket) -> None:
        if len(self._guests) >= self._patience.connections and not self._make_room():
            connection.close()
            return
        self._crowded &= len(self._guests) > self._patience.connections // 2
        guest = Guest(connection)
        self._guests.add(guest)
        guest.stay = asyncio.get_running_loop().create_task(self._host(guest))
        guest.stay.add_done_callback(lambda _: self._see_out(guest))

    def _see_out(self, guest: Guest) -> None:
        self._guests.discard(guest)
        if not guest.handed_on:
            guest.connection.close()

    def _make_room(self) -> bool:
        """Let the one go who has had no request for longest; tells whether there is one."""
        if not self._crowded:
            self._crowded = True
            log.warning("connections.crowded", connections=len(self._guests))
        idle = [(guest.idle_since, guest) for guest in self._guests]
        waiting = [(since, guest) for since, guest in idle if since is not None]
        if not waiting:
            return False
        self._let_go(min(waiting, key=lambda each: each[0])[1])
        return True

    def _let_go(self, guest: Guest) -> None:
        self._guests.discard(guest)
        if guest.stay:
            guest.stay.cancel()

    async def _host(self, guest: Guest) -> None:
        """Greet, and stay until the end."""
        try:
            wire = guest.wire = await self._greet(guest)
        except (OSError, TimeoutError) as error:
            slow = isinstance(error, TimeoutError)
            log.info("connection.failed", error="too slow" if slow else str(error) or repr(error))
            return
        try:
            await wire.gone.wait()
        finally:
            wire.transport.abort()

    async def _greet(self, guest: Guest) -> Wire:
        """Hand a connection on to what serves it.

        Raises:
            OSError: the handshake failed, as ssl.SSLError says, or the caller has gone.
            TimeoutError: it was not over in time.
        """
        connection, tls = guest.connection, self._tls
        for option, value in self._options:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        async with asyncio.timeout(self._patience.greeting_s):
            if tls and await first_byte(connection) != HANDSHAKE:
                tls = None
            wire = self._serve() if tls is self._tls else self._correct()
            guest.handed_on = True
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: wire,
                connection,
                ssl=tls,
                ssl_shutdown_timeout=self._patience.unread_s if tls else None,
            )
        return wire


async def first_byte(connection: socket.socket) -> bytes:
    """Look at the first byte that is sent, and leave it there; empty if nothing ever comes."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
