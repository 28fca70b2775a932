"""Heads that are too large, too many or ambiguous are refused, and never become a request."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.access import PATH_LIMIT
from gateway.bounds import HEAD_LIMIT_BYTES, HEADERS_LIMIT, URL_LIMIT_BYTES
from gateway.patience import Patience
from gateway.server import INCOMPLETE_LIMIT_BYTES
from serving import Serving, serving

HOST = b"Host: a\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
END = b"\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(Patience(requests=2, linger_s=0.1)) as server:
        yield server


def get(path: bytes = b"/", headers: bytes = b"") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"


LARGE = {
    "URL": (get(b"/" + b"a" * URL_LIMIT_BYTES), 414, "url_too_long"),
    "query": (get(b"/?" + b"a" * URL_LIMIT_BYTES), 414, "url_too_long"),
    "header": (get(headers=b"x: %s\r\n" % (b"a" * HEAD_LIMIT_BYTES)), 431, "head_too_large"),
    "name": (get(headers=b"x" * HEAD_LIMIT_BYTES + b": a\r\n"), 431, "head_too_large"),
    "number": (get(headers=b"x: y\r\n" * HEADERS_LIMIT), 431, "head_too_large"),
    "no end": (get(headers=b"x: y\r\n" * 20_000)[:-2], 431, "head_too_large"),
    "no end of a URL": (b"GET /" + b"a" * (2 * INCOMPLETE_LIMIT_BYTES), 431, "head_too_large"),
    "no end of a chunk's size": (
        b"POST /digest HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"0" * 200_000,
        431,
        "head_too_large",
    ),
}


@pytest.mark.parametrize(("head", "status", "code"), LARGE.values(), ids=LARGE.keys())
def test_what_is_too_large_is_refused(server: Serving, head: bytes, status: int, code: str) -> None:
    with server.call() as caller:
        caller.send(head)
        answer = caller.answer()
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_long_path_makes_no_long_line_in_the_log(server: Serving) -> None:
    """The line of a request is written before the next of its connection is looked at."""
    with capture_logs() as logs, server.call() as caller:
        assert caller.get("/" + "a" * 9000).status == 414
        assert caller.get().status == 200
    paths = [log["path"] for log in logs if log["event"] == "request.answered"]
    assert max(map(len, paths)) == PATH_LIMIT


def test_what_just_fits_is_taken(server: Serving) -> None:
    path = b"/" + b"a" * (URL_LIMIT_BYTES - 1)
    value = b"a" * (HEAD_LIMIT_BYTES - len(b"hostax"))
    with server.call() as caller:
        caller.send(get(path, b"x: " + value + b"\r\n"))
        assert caller.answer().status == 200
        caller.send(get(headers=b"x: y\r\n" * (HEADERS_LIMIT - 1)))
        assert caller.answer().status == 200


CHUNKED = b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = {
    "two kinds of length": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "the other way round": b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 40\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length in hexadecimal": b"Content-Length: 0x0\r\n\r\n",
    "a blank before the colon": b"Content-Length : 0\r\n\r\n",
    "an unknown encoding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two encodings": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding twice": CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a lone carriage return": b"x: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a NUL": b"x: \x00\r\n\r\n",
    "two hosts": b"Host: b\r\n\r\n",
    "a size that is none": CHUNKED + b"\r\nzz\r\n\r\n",
    "a size with a sign": CHUNKED + b"\r\n+0\r\n\r\n",
    "more than the size says": CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_request_that_two_could_read_differently_is_refused_with_all_after_it(
    server: Serving, rest: bytes
) -> None:
    with server.call() as caller:
        caller.send(b"POST /digest HTTP/1.1\r\n" + HOST + rest + SMUGGLED)
        answer = caller.answer()
        assert (answer.status, answer.code) == (400, "request_malformed")
        assert answer.headers["connection"] == "close"
        assert caller.is_ended()
    assert "/smuggled" not in server.seen


OTHER_SPEECH = {
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an encoding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(200),
    "nothing sensible": b"\x00\xff\r\n\r\n",
}


@pytest.mark.parametrize("said", OTHER_SPEECH.values(), ids=OTHER_SPEECH.keys())
def test_what_is_no_http_1_is_told_so(server: Serving, said: bytes) -> None:
    with server.call() as caller:
        caller.send(said)
        answer = caller.answer()
        assert (answer.status, answer.code) == (400, "request_malformed")
        assert caller.is_ended()


def test_a_request_too_many_is_told_to_come_again(server: Serving) -> None:
    with server.call() as one, server.call() as two, server.call() as three:
        for caller in (one, two):
            caller.send(get(b"/hold"))
        for _ in range(2):
            assert server.held.acquire(timeout=10)
        answer = three.get()
        assert (answer.status, answer.code) == (503, "requests_full")
        assert answer.headers["retry-after"] == "5"
        server.release.set()
        assert [one.answer().body, two.answer().body] == [b"at last"] * 2
        with server.call() as four:
            assert four.get().status == 200
