"""Slow callers meet an end, with an answer where they can read one; honest ones do not."""

import contextlib
import hashlib
import time
from collections.abc import Iterator

import pytest

from gateway.patience import Patience
from serving import LARGE, Caller, Serving, serving

QUICK = Patience(
    greeting_s=0.4,
    head_s=1,
    body_window_s=0.8,
    body_window_bytes=4000,
    unread_s=0.8,
    linger_s=0.4,
    keep_alive_s=2,
)
BODY = b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(QUICK) as server:
        yield server


@pytest.fixture
def caller(server: Serving) -> Iterator[Caller]:
    with server.call() as caller:
        yield caller


def test_a_head_that_trickles_is_told_so(caller: Caller) -> None:
    caller.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    assert caller.trickle(b"x: y\r\n", 0.05) < 60
    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert b"request_too_slow" in answer.body
    assert caller.is_ended()


def test_a_head_that_stops_is_told_so_too(caller: Caller) -> None:
    caller.send(b"GET / HT")
    assert caller.answer().status == 408


def test_the_second_head_of_a_connection_has_its_own_time(caller: Caller) -> None:
    assert caller.get().status == 200
    caller.send(b"GET / HTTP/1.1\r\n")
    assert caller.answer().status == 408


def test_who_says_nothing_hears_nothing(caller: Caller) -> None:
    assert caller.is_ended()


def test_an_idle_connection_is_ended_without_a_word(caller: Caller) -> None:
    assert caller.get().status == 200
    began = time.monotonic()
    assert caller.is_ended()
    assert time.monotonic() - began > QUICK.head_s


def test_a_body_that_trickles_is_told_so(caller: Caller) -> None:
    caller.send(BODY % 100_000)
    assert caller.trickle(b"x", 0.05) < 60
    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert b"at least 5 KiB a second" in answer.body
    assert caller.is_ended()


def test_a_quick_beginning_earns_no_slow_end(caller: Caller) -> None:
    caller.send(BODY % 1_000_000 + bytes(900_000))
    assert caller.trickle(b"x", 0.05) < 60
    assert caller.answer().status == 408


def test_a_body_over_a_slow_line_takes_its_time(caller: Caller) -> None:
    """Longer than two windows, at four times the pace that is asked for."""
    piece = bytes(1000)
    began = time.monotonic()
    caller.send(BODY % 40_000)
    with pytest.raises(TimeoutError):
        caller.trickle(piece, 0.05, times=39)
    caller.send(piece)
    answer = caller.answer()
    assert answer.body.decode() == hashlib.sha256(bytes(40_000)).hexdigest()
    assert time.monotonic() - began > 2 * QUICK.body_window_s


def test_a_body_that_nobody_wants_is_taken_away_so_that_the_answer_is_read(server: Serving) -> None:
    """Of 8 MB nothing is read by the application: all of it is sent, then the answer is there."""
    with server.call() as caller:
        caller.send((BODY % 8_000_000).replace(b"/digest", b"/unread") + bytes(8_000_000))
        assert caller.answer().body == b"hello"
        assert caller.get("/after").status == 200


def test_a_refusal_is_read_though_its_caller_goes_on_sending() -> None:
    with serving(Patience()) as server, server.call() as caller:
        caller.send(b"no HTTP\r\n\r\n")
        caller.send(bytes(8_000_000))
        answer = caller.answer()
        assert (answer.status, answer.code) == (400, "request_malformed")


def test_a_body_that_nobody_wants_does_not_last(caller: Caller) -> None:
    caller.send((BODY % 8_000_000).replace(b"/digest", b"/unread"))
    assert caller.answer().status == 200
    assert caller.trickle(b"x", 0.05) < 60
    assert caller.is_ended()


def test_an_answer_that_nobody_reads_does_not_last(server: Serving) -> None:
    with server.call() as caller:
        caller.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert caller.is_cut_off()


def test_an_answer_that_is_read_slowly_comes_whole(server: Serving) -> None:
    with server.call() as caller:
        caller.send(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        began = time.monotonic()
        assert caller.drain(0.01) > LARGE
    assert time.monotonic() - began > QUICK.unread_s


def test_requests_in_one_packet_are_answered_in_their_order(server: Serving) -> None:
    with server.call() as caller:
        caller.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(50)))
        assert [caller.answer().body for _ in range(50)] == [b"hello"] * 50
    assert server.seen[-50:] == [f"/{n}" for n in range(50)]


def test_an_answer_is_not_held_back(caller: Caller) -> None:
    """Head and body are two packets; the second must not wait 40 ms for the receipt of the first.

    The fastest of twenty is not one that the machine was too busy for.
    """
    took_s = []
    for _ in range(20):
        began = time.monotonic()
        caller.get()
        took_s.append(time.monotonic() - began)
    assert min(took_s[10:]) < 0.03


def test_a_broken_body_ends_its_request(caller: Caller) -> None:
    head = b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    caller.send(head + b"5\r\nhello\r\nzz\r\n")
    answer = caller.answer()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert b"request_malformed" in answer.body


def test_two_hundred_that_trickle_do_not_stop_a_request() -> None:
    with serving(Patience()) as server, contextlib.ExitStack() as stack:
        callers = [stack.enter_context(server.call()) for _ in range(200)]
        for byte in (b"G", b"E", b"T", b" "):
            for caller in callers:
                caller.send(byte)
        with server.call() as honest:
            began = time.monotonic()
            assert honest.get().status == 200
            took_s = time.monotonic() - began
    print(f"figure: a request beside 200 that trickle: {took_s * 1000:.0f} ms")


@pytest.mark.long
def test_sixteen_megabytes_over_a_slow_line_are_welcome() -> None:
    """As fast as a poor uplink, 100 KB a second, with the patience that callers really meet."""
    piece = bytes(10_000)
    began = time.monotonic()
    with serving(Patience()) as server, server.call() as caller:
        caller.send(BODY % (16 << 20))
        with pytest.raises(TimeoutError):
            caller.trickle(piece, 0.1, times=1677)
        caller.send(bytes((16 << 20) - 1677 * len(piece)))
        assert caller.answer().body.decode() == hashlib.sha256(bytes(16 << 20)).hexdigest()
    print(f"figure: 16 MiB over a line of 100 KB/s: {time.monotonic() - began:.0f} s")
