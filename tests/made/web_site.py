"""A web server on loopback that answers as a test says, however badly, and sees who comes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from typing import Any, Self

import pytest
import trustme
from structlog.testing import capture_logs

from jobstore.errors import FetchRefused
from jobstore.fetch import PICTURE, Fetcher, Terms
from jobstore.names import Names
from jobstore.reach import Exempt, Reach

NAME = "pictures.example"
LOOPBACK = "127.0.0.1"
SENTENCE = "The URL cannot be fetched: use one that anybody on the internet can open over https."
PACE_S = 0.02  # between the pieces of those who are slow
PATIENCE_S = 10  # for a guest who says nothing


class Visit:
    """One connection: what was asked, and ways to answer."""

    def __init__(self, conn: socket.socket, over: threading.Event) -> None:
        self._conn = conn
        self._over = over
        self.asked = b""
        self.sent = 0

    def listen(self) -> None:
        """Read the head of a request."""
        while b"\r\n\r\n" not in self.asked and (piece := self._conn.recv(65536)):
            self.asked += piece

    def take(self, size_bytes: int) -> None:
        """Read a body behind it, of a size that is known."""
        while len(self.asked.partition(b"\r\n\r\n")[2]) < size_bytes:
            self.asked += self._conn.recv(65536)

    @property
    def path(self) -> str:
        return self.asked.split(b" ")[1].decode()

    def send(self, content: bytes) -> None:
        self._conn.sendall(content)
        self.sent += len(content)

    def slowly(self, pieces: Iterable[bytes]) -> None:
        """Send piece after piece, until the guest is gone."""
        for piece in pieces:
            self.send(piece)
            if self._over.wait(PACE_S):
                return

    def pause(self, seconds: float) -> None:
        """Let the guest wait a little."""
        self._over.wait(seconds)

    def quickly(self, pieces: Iterable[bytes]) -> None:
        """The same without a pause."""
        for piece in pieces:
            self.send(piece)

    def wait(self) -> None:
        """Say nothing until the guest is gone."""
        while not self._over.wait(PACE_S) and self._conn.recv(1):
            pass

    def answer(
        self,
        content: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        say_goodbye: bool = False,
    ) -> None:
        """Send a whole answer; a header that is empty is left out."""
        fields = {"Content-Type": "image/png", "Content-Length": str(len(content))}
        fields |= headers or {}
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        self.send("\r\n".join([f"HTTP/1.1 {status} So", *lines, "", ""]).encode() + content)
        if say_goodbye and isinstance(self._conn, ssl.SSLSocket):
            self._conn.unwrap()


Answer = Callable[[Visit], None]


class Site:
    """Answers each connection in a thread of its own."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.visits: list[Visit] = []
        self.connections = 0
        self._answer = answer
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.port), 1).close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            conn, _ = self._listener.accept()
            if self._over.is_set():
                conn.close()
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._meet, args=(conn,)))
            self._threads[-1].start()

    def _meet(self, conn: socket.socket) -> None:
        """A guest may hang up whenever he wants."""
        conn.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(conn)
            if self._tls:
                conn = stack.enter_context(self._tls.wrap_socket(conn, server_side=True))
            visit = Visit(conn, self._over)
            visit.listen()
            self.visits.append(visit)
            self._answer(visit)


def server_tls(authority: trustme.CA, name: str = NAME, **how: Any) -> ssl.SSLContext:
    """Make what a server needs for TLS in a name, other than it should be if a test says so."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, **how).configure_cert(context)
    return context


def fetcher(*sites: Site, tls: ssl.SSLContext, http: bool = False) -> Fetcher:
    """Make a fetcher that may go to these sites, by the name that leads to all of them."""
    exempt = tuple(Exempt(ip_network(LOOPBACK), site.port) for site in sites)
    return Fetcher(Reach.over(http=http, exempt=exempt), Names(lambda _: [LOOPBACK]), tls)


def reason_of(ours: Fetcher, url: str, terms: Terms = PICTURE) -> str:
    """Tell why something is refused; to the caller all refusals are the same."""
    with capture_logs() as logs, pytest.raises(FetchRefused) as caught:
        ours.fetch(url, terms)
    assert str(caught.value) == SENTENCE
    (line,) = [line for line in logs if line["event"] == "fetch.refused"]
    return str(line["reason"])
