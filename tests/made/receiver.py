"""A receiver of webhooks on loopback, which keeps what it gets and answers as a test says."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

LOOPBACK = "127.0.0.1"
SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # of digits, for tests alone
OTHER_SECRET = "whsec_" + "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg="


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Answers with one status after the other, and with the last one from then on."""

    def __init__(self, *statuses: int, port: int = 0, location: str = "") -> None:
        self.received: list[Received] = []
        self.came = threading.Semaphore(0)  # released once for each request that was answered
        self._statuses = list(statuses or (200,))
        self._location = location
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._guest())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port: int = self._server.server_address[1]
        self.url = f"http://{LOOPBACK}:{self.port}/hook"
        self.allow = f"{LOOPBACK}/32:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, guest: BaseHTTPRequestHandler) -> None:
        body = guest.rfile.read(int(guest.headers["content-length"]))
        headers = {name.lower(): value for name, value in guest.headers.items()}
        self.received.append(Received(guest.path, headers, body))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        guest.send_response(status)
        if self._location:
            guest.send_header("Location", self._location)
        guest.send_header("Content-Length", "0")
        guest.end_headers()
        self.came.release()

    def _guest(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Guest(BaseHTTPRequestHandler):
            """Hands what comes to the receiver; `do_POST` is the library's name."""

            def do_POST(self) -> None:
                receiver._answer(self)

            def do_GET(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Guest
