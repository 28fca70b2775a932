"""What the head of a request may be, and how many requests are answered at one time."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import Problem, answer

URL_LIMIT_BYTES = 8 << 10
HEAD_LIMIT_BYTES = 32 << 10  # all names and values
HEADERS_LIMIT = 100
VERSIONS = frozenset({"1.0", "1.1"})
CLOSE = {"Connection": "close"}


class Bounds:
    """ASGI middleware that answers what is too large, too much or ambiguous, unread.

    Source:
        A URL of 8000 bytes should be taken: RFC 9110, 4.1. Two lengths of one body may be refused,
        and HTTP/1.0 knows no Transfer-Encoding: RFC 9112, 6.1. h11 lets both pass.
    """

    def __init__(self, app: ASGIApp, requests: int) -> None:
        """Wrap an application that answers so many requests at one time."""
        self.app = app
        self._free = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        problem = full() if self._free <= 0 else refusal(scope)
        if problem:
            await answer(problem, scope["request_id"])(scope, receive, send)
            return
        self._free -= 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._free += 1


def full() -> Problem:
    """Say that others come first."""
    message = "Too many requests are being answered; try again shortly."
    return Problem.of("requests_full", message, headers={"Retry-After": "5", **CLOSE})


def refusal(scope: Scope) -> Problem | None:
    """Say what is wrong with the head of a request; None where nothing is."""
    headers = Headers(scope=scope)
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if len(scope["raw_path"]) + len(scope["query_string"]) > URL_LIMIT_BYTES:
        message = f"The URL is longer than {URL_LIMIT_BYTES} bytes; shorten it."
        return Problem.of("url_too_long", message)
    if size > HEAD_LIMIT_BYTES or len(headers.raw) > HEADERS_LIMIT:
        return head_too_large()
    if scope["http_version"] not in VERSIONS:
        return Problem.of("request_malformed", "This service speaks HTTP/1.1.", headers=CLOSE)
    if "transfer-encoding" in headers and (
        "content-length" in headers or scope["http_version"] == "1.0"
    ):
        message = "The length of the body is told in two ways; send it in one."
        return Problem.of("request_malformed", message, headers=CLOSE)
    return None


def head_too_large() -> Problem:
    """Say how large a head may be."""
    message = f"At most {HEADERS_LIMIT} headers with {HEAD_LIMIT_BYTES >> 10} KiB are read."
    return Problem.of("head_too_large", message)
