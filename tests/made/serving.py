"""A server in a thread with an application of a few lines, and callers with bare sockets."""

import contextlib
import hashlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.access import Access
from gateway.addresses import listen
from gateway.bounds import Bounds
from gateway.changes import Changes
from gateway.pace import Pace
from gateway.patience import Patience
from gateway.problems import Problem, answer_problem
from gateway.secured import Secured
from gateway.server import Server
from gateway.tls import context_of

LARGE = 32 << 20
WAITS_S = 10


class Serving:
    """A server on loopback; `seen` are the paths that came through to the application."""

    def __init__(self, patience: Patience, tls: tuple[Path, Path] | None = None) -> None:
        self.seen: list[str] = []
        self.held, self.release = threading.Semaphore(0), threading.Event()
        self._listeners = listen("127.0.0.1", 0, public=False)
        self.port = self._listeners[0].getsockname()[1]
        context = context_of(*tls) if tls else None
        self.server = Server(self._app(patience), self._listeners, Changes(), context, patience)
        self._thread = threading.Thread(target=self.server.run, name="server")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.release.set()
        self.server.should_exit = True
        self._thread.join(WAITS_S)
        assert not self._thread.is_alive()

    def call(self) -> "Caller":
        return Caller(socket.create_connection(("127.0.0.1", self.port), WAITS_S))

    def call_by_tls(self, authority: Path) -> "Caller":
        context = ssl.create_default_context(cafile=authority)
        plain = socket.create_connection(("127.0.0.1", self.port), WAITS_S)
        return Caller(context.wrap_socket(plain, server_hostname="127.0.0.1"))

    def _app(self, patience: Patience) -> Starlette:
        async def hello(request: Request) -> Response:
            self.seen.append(request.url.path)
            return PlainTextResponse("hello")

        async def digest(request: Request) -> Response:
            return PlainTextResponse(hashlib.sha256(await request.body()).hexdigest())

        async def large(_: Request) -> Response:
            return StreamingResponse(iter([bytes(1 << 16)] * (LARGE >> 16)))

        def hold(_: Request) -> Response:
            self.held.release()
            self.release.wait(WAITS_S)
            return PlainTextResponse("at last")

        async def crash(_: Request) -> Response:
            raise KeyError

        return Starlette(
            routes=[
                Route("/large", large),
                Route("/hold", hold),
                Route("/crash", crash),
                Route("/digest", digest, methods=["POST"]),
                Route("/{path:path}", hello, methods=["GET", "POST"]),
            ],
            middleware=[
                Middleware(Secured),
                Middleware(Access),
                Middleware(Bounds, requests=patience.requests),
                Middleware(Pace, patience=patience),
            ],
            exception_handlers={Problem: answer_problem},
        )


class Answer:
    """What came back: the status, the headers in lower case, and the body."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self.body = body

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class Caller:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._come = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def get(self, path: str = "/") -> Answer:
        self.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return self.answer()

    def answer(self) -> Answer:
        """Read one answer whose length is told."""
        while b"\r\n\r\n" not in self._come:
            self._read()
        head, _, self._come = self._come.partition(b"\r\n\r\n")
        length = int(Answer(head, b"").headers["content-length"])
        while len(self._come) < length:
            self._read()
        body, self._come = self._come[:length], self._come[length:]
        return Answer(head, body)

    def is_ended(self) -> bool:
        """Tell whether the other side hangs up, without another word, while one waits."""
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def trickle(self, data: bytes, every_s: float, times: int = 1000) -> int:
        """Send a piece again and again until an answer comes; tells how often.

        Raises:
            TimeoutError: it was sent so many times, and no answer has come.
        """
        for sent in range(times):
            if select.select([self.connection], [], [], every_s)[0]:
                return sent
            with contextlib.suppress(ConnectionError):
                self.send(data)
        raise TimeoutError

    def is_cut_off(self) -> bool:
        """Tell whether the other side cuts the connection while nothing is read from it."""
        poll = select.poll()
        poll.register(self.connection, 0)
        return bool(poll.poll(WAITS_S * 1000))

    def drain(self, every_s: float) -> int:
        """Read to the end, as over a slow line; tells how many bytes came."""
        line, bytes_come = threading.Event(), 0
        while data := self.connection.recv(1 << 18):
            bytes_come += len(data)
            line.wait(every_s)
        return bytes_come

    def _read(self) -> None:
        data = self.connection.recv(1 << 16)
        assert data, f"the connection ended after {self._come!r}"
        self._come += data


@contextlib.contextmanager
def serving(patience: Patience, tls: tuple[Path, Path] | None = None) -> Iterator[Serving]:
    server = Serving(patience, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
