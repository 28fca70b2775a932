"""A way to a server on loopback on which everything can go wrong; it ends with all it opened."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

PIECE_BYTES = 16 << 10
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s"
)
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please come less often.</Message></Error>"


@dataclass(frozen=True)
class Fault:
    """What goes wrong: with nothing set, nothing does.

    `hangs`: connections are taken, and nothing is ever said. `busy`: each request is answered with
    503. `resets_after`: so many bytes of a request go through, then the connection is reset.
    `stops_after`: then nothing more goes through, until `go_on`. `bytes_per_s`: how fast a request
    may go. `loses_answers`: what the server says never comes back, and the connection ends.
    """

    hangs: bool = False
    busy: bool = False
    resets_after: int | None = None
    stops_after: int | None = None
    bytes_per_s: int | None = None
    loses_answers: bool = False


class FaultyWay:
    """A proxy, in a thread of its own; `become` changes what goes wrong.

    `met` is set once the fault has had its effect, and `arrived` counts connections.
    """

    def __init__(self, port: int, fault: Fault | None = None) -> None:
        """Lead to a port of this machine."""
        self._to = port
        self.fault = fault or Fault()
        self.met = threading.Event()
        self.arrived = 0
        self._loop = asyncio.new_event_loop()
        self._go_on = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._run(self._open(0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    @property
    def url(self) -> str:
        """The same as an S3 endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def go_on(self) -> None:
        """Let go on what was stopped."""
        self._loop.call_soon_threadsafe(self._go_on.set)

    def become(self, fault: Fault) -> None:
        """Be like this from now on, for those too who are connected: they have to come again."""
        self.met.clear()
        self.fault = fault
        self._run(self._break_off())

    def refuse(self) -> None:
        """Take no connection any more, and break off those there are."""
        self._run(self._shut())

    def accept(self) -> None:
        """Take connections again, without any fault."""
        self.fault = Fault()
        self._server = self._run(self._open(self.port))

    def close(self) -> None:
        """End everything."""
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(30)

    async def _open(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._meet, "127.0.0.1", port, limit=PIECE_BYTES)

    async def _shut(self) -> None:
        self._server.close()
        await self._break_off()

    async def _break_off(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        self.arrived += 1
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            await shut(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        if fault.hangs:
            self.met.set()
            await asyncio.Event().wait()
        if fault.busy:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(UNAVAILABLE % (len(SLOW_DOWN), SLOW_DOWN))
            await writer.drain()
            self.met.set()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ways = [
            asyncio.ensure_future(self._there(fault, reader, far_writer, writer)),
            asyncio.ensure_future(self._back(fault, far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await shut(far_writer)

    async def _there(
        self,
        fault: Fault,
        reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        near: asyncio.StreamWriter,
    ) -> None:
        passed = 0
        while piece := await reader.read(PIECE_BYTES):
            if fault.resets_after is not None and passed + len(piece) > fault.resets_after:
                far.write(piece[: fault.resets_after - passed])
                await far.drain()
                self.met.set()
                reset(near)
                return
            if fault.stops_after is not None and passed + len(piece) > fault.stops_after:
                self.met.set()
                await self._go_on.wait()
            if fault.bytes_per_s:
                self.met.set()
                await asyncio.sleep(len(piece) / fault.bytes_per_s)
            passed += len(piece)
            far.write(piece)
            await far.drain()

    async def _back(
        self, fault: Fault, far: asyncio.StreamReader, near: asyncio.StreamWriter
    ) -> None:
        while piece := await far.read(PIECE_BYTES):
            if fault.loses_answers:
                self.met.set()
                return
            near.write(piece)
            await near.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off so that the other side is told of an error, not of an end."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def shut(writer: asyncio.StreamWriter) -> None:
    """Close a connection, however it is."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
