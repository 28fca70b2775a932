"""One connection: uvicorn's HTTP/1.1, with bounded patience and refusals in our own words."""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import uvicorn
from structlog.stdlib import get_logger
from ulid import ULID
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.bounds import head_too_large
from gateway.patience import Patience
from gateway.problems import Problem, answer
from gateway.secured import secured

log = get_logger()

GOODBYE_S = 1
FORGET = struct.pack("ii", 1, 0)  # socket(7), struct linger: on, for no second
WRITE_LIMIT_BYTES = 64 << 10  # of an answer that waits to be read; more is not written before


class Wire(H11Protocol):
    """Bounds what uvicorn leaves open: a head that trickles, a body and an answer left behind."""

    def __init__(
        self, config: uvicorn.Config, state: ServerState, shared: dict[str, Any], patience: Patience
    ) -> None:
        """Make it in the loop that it runs in; `state` and `shared` are those of the server."""
        super().__init__(config, state, shared, asyncio.get_running_loop())
        self.gone = asyncio.Event()
        self.idle_since = self.loop.time()
        self._patience = patience
        self._heard = self._refused = False
        self._awaited: str | None = None  # what the caller has to send, with a timer
        self._awaiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is here that has no whole answer yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a head has to come."""
        super().connection_made(cast("asyncio.Transport", transport))
        self.transport.set_write_buffer_limits(WRITE_LIMIT_BYTES)
        self._await("head", self._patience.head_s, self._give_up_head)

    def data_received(self, data: bytes) -> None:
        """Take what was sent; after a refusal it is only taken away."""
        self._heard = True
        if not self._refused:
            super().data_received(data)
            self._mind()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that nobody wanted."""
        self.idle_since = self.loop.time()
        self._heard = False
        super().on_response_complete()
        self._mind()

    def _mind(self) -> None:
        """Bound what is awaited from now on; if it is what was awaited before, nothing is new."""
        if self._refused:
            return
        if self._heard and self.conn.their_state is h11.IDLE:
            self._await("head", self._patience.head_s, self._give_up_head)
        elif not self.busy and self.conn.their_state is h11.SEND_BODY:
            self._await("rest", self._patience.linger_s, self.transport.close)
        else:
            self._await_nothing()

    def _await(self, what: str, at_most_s: float, then: Callable[[], object]) -> None:
        if what != self._awaited:
            self._await_nothing()
            self._awaited, self._awaiting = what, self.loop.call_later(at_most_s, then)

    def _await_nothing(self) -> None:
        if self._awaiting:
            self._awaiting.cancel()
        self._awaited = self._awaiting = None

    def _give_up_head(self) -> None:
        if self._heard:
            message = f"The head of the request was not whole after {self._patience.head_s:g} s."
            self._refuse(Problem.of("request_too_slow", message))
        else:
            self.transport.close()  # somebody connected beforehand, and needs no answer

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in our words; uvicorn calls it while it handles h11's error."""
        error = sys.exception()
        if getattr(error, "error_status_hint", 0) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._refuse(head_too_large())
        else:
            message = f"This is not well-formed HTTP/1.1: {error or msg}."
            self._refuse(Problem.of("request_malformed", message))

    def _refuse(self, problem: Problem) -> None:
        """Answer what never became a request, and hang up once that can have been read."""
        self._refused = True
        if self.busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()  # an answer has begun, and does not fit any more
            return
        request_id = str(ULID())
        response = answer(problem, request_id)
        self._write(response.status_code, response.raw_headers, bytes(response.body))
        log.info("request.refused", request_id=request_id, code=problem.code)
        self._await("end", self._patience.linger_s, self.transport.close)

    def _write(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        https = self.scheme == "https"
        head = h11.Response(
            status_code=status,
            reason=HTTPStatus(status).phrase.encode(),
            headers=[*secured(headers, https=https), (b"connection", b"close")],
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def pause_writing(self) -> None:
        """Wait for the caller to read, for a while."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._patience.unread_s, self._cut_off)

    def resume_writing(self) -> None:
        """Go on: he has read."""
        if self._unread:
            self._unread.cancel()
        super().resume_writing()

    def _cut_off(self) -> None:
        """Hang up at once; the kernel too forgets what was not read, which can be megabytes."""
        log.info("connection.failed", error="the answer was not read")
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET)
        self.transport.abort()

    def shutdown(self) -> None:
        """End because the server stops: after the answer, or now, hardly waiting for a goodbye.

        The other side of TLS says one too, but only when it looks at its idle connection.
        """
        super().shutdown()
        if not self.busy:
            self.loop.call_later(GOODBYE_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whoever hung up."""
        for timer in (self._awaiting, self._unread):
            if timer:
                timer.cancel()
        super().connection_lost(exc)
        self.gone.set()
