"""A fetch ends in its time and takes no more than it may, whatever a server does."""

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import anyio
import anyio.abc
import pytest
import trustme

from gateway.parts import in_thread
from gateway.room import Room
from jobstore.errors import FetchRefused
from jobstore.fetch import PICTURE, Fetcher, Terms
from jobstore.names import Names
from jobstore.reach import Exempt, Reach
from web_site import LOOPBACK, NAME, Answer, Site, Visit, fetcher, reason_of, server_tls

TERMS = Terms(PICTURE.media_types, 100_000, deadline_s=0.5)
LATE_S = 1.5  # what a loaded machine may add
LONG = Terms(PICTURE.media_types, 100_000, deadline_s=30)  # so that it is not time that ends it
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
HOP = b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"
again = itertools.repeat


def after(first: bytes, piece: bytes) -> Answer:
    return lambda visit: visit.slowly(itertools.chain([first], again(piece)))


def endless(piece: bytes, first: bytes = b"") -> Answer:
    return lambda visit: visit.quickly(itertools.chain([first], again(piece)))


def bytewise(content: bytes) -> Answer:
    return lambda visit: visit.slowly(bytes([each]) for each in content)


def hop_by_hop(visit: Visit) -> None:
    visit.pause(0.2)
    visit.send(HOP)


def half(visit: Visit) -> None:
    visit.send(HEAD + b"Content-Length: 9999\r\n\r\nhalf")
    visit.wait()


SLOW: dict[str, Answer] = {
    "says nothing": Visit.wait,
    "head, byte by byte": bytewise(HEAD + b"X: " + bytes(1000)),
    "headers, again and again": after(HEAD, b"X: y\r\n"),
    "go on, again and again": after(b"", GO_ON),
    "body, byte by byte": after(HEAD + b"Content-Length: 9999\r\n\r\n", b"x"),
    "chunks, again and again": after(CHUNKED, b"1\r\nx\r\n"),
    "a chunk that never begins": after(CHUNKED + b"1;", b"x"),
    "trailers, again and again": after(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "hops, one by one": hop_by_hop,
    "half a body": half,
}
ENDLESS: dict[str, Answer] = {
    "headers": endless(b"X: y\r\n" * 1000, HEAD),
    "one header": endless(b"x" * 8000, HEAD + b"X: "),
    "first line": endless(b"x" * 8000, b"HTTP/1.1 200 "),
    "go on": endless(GO_ON * 100),
    "body": endless(bytes(8000), HEAD + b"\r\n"),
    "chunks": endless(b"1f40\r\n" + bytes(8000) + b"\r\n", CHUNKED),
    "tiny chunks": endless(b"1\r\nx\r\n" * 1000, CHUNKED),
    "a chunk that never begins": endless(b"x" * 8000, CHUNKED + b"1;"),
    "trailers": endless(b"X: y\r\n" * 1000, CHUNKED + b"0\r\n"),
}


def timed(act: Callable[[], str]) -> tuple[str, float]:
    began = time.monotonic()
    return act(), time.monotonic() - began


@pytest.mark.parametrize("case", SLOW)
def test_whoever_is_slow_is_left(authority: trustme.CA, tls: ssl.SSLContext, case: str) -> None:
    with Site(SLOW[case], server_tls(authority)) as site:
        ours, url = fetcher(site, tls=tls), f"https://{NAME}:{site.port}/"
        reason, took_s = timed(lambda: reason_of(ours, url, TERMS))
        assert site.connections > 0
    assert TERMS.deadline_s <= took_s < TERMS.deadline_s + LATE_S
    assert reason == "slow"


@pytest.mark.parametrize("case", ENDLESS)
def test_whoever_is_endless_is_left_early(
    authority: trustme.CA, tls: ssl.SSLContext, case: str
) -> None:
    with Site(ENDLESS[case], server_tls(authority)) as site:
        ours, url = fetcher(site, tls=tls), f"https://{NAME}:{site.port}/"
        assert reason_of(ours, url, LONG) in {"large", "broken"}


def test_a_body_in_crumbs_costs_little_time(authority: trustme.CA, tls: ssl.SSLContext) -> None:
    """Each of its pieces is work, and there could be millions of them in a body of 10 MiB."""
    with Site(ENDLESS["tiny chunks"], server_tls(authority)) as site:
        ours, url = fetcher(site, tls=tls), f"https://{NAME}:{site.port}/"
        reason, took_s = timed(lambda: reason_of(ours, url))
    print(f"figure: crumbs were refused after {took_s:.1f} s")
    assert reason == "large"
    assert took_s < PICTURE.deadline_s / 2


def test_what_carries_nothing_is_counted_too(authority: trustme.CA, tls: ssl.SSLContext) -> None:
    """TLS has records of its own, which a client that counts above it never sees."""
    context = server_tls(authority)
    with Site(lambda visit: visit.answer(b"a picture"), context) as site:
        ours, url = fetcher(site, tls=tls), f"https://{NAME}:{site.port}/"
        assert ours.fetch(url, LONG) == b"a picture"
        context.num_tickets = 400
        assert reason_of(ours, url, LONG) == "large"


def test_a_handshake_has_no_time_of_its_own(tls: ssl.SSLContext) -> None:
    """Somebody who listens and never speaks TLS."""
    with Site(Visit.wait) as site:
        ours, url = fetcher(site, tls=tls), f"https://{NAME}:{site.port}/"
        reason, took_s = timed(lambda: reason_of(ours, url, TERMS))
    assert TERMS.deadline_s <= took_s < TERMS.deadline_s + LATE_S
    assert reason == "slow"


def test_a_connection_that_is_never_made(tls: ssl.SSLContext) -> None:
    """As behind a wall that swallows: here a queue of guests that is full."""
    with socket.create_server((LOOPBACK, 0), backlog=0) as wall:
        port = wall.getsockname()[1]
        guests = [socket.socket() for _ in range(4)]
        for guest in guests:
            guest.settimeout(0)
            guest.connect_ex((LOOPBACK, port))
        exempt = (Exempt(ip_network(LOOPBACK), port),)
        ours = Fetcher(Reach.over(http=False, exempt=exempt), Names(lambda _: [LOOPBACK]), tls)
        reason, took_s = timed(lambda: reason_of(ours, f"https://{NAME}:{port}/", TERMS))
        for guest in guests:
            guest.close()
    assert TERMS.deadline_s <= took_s < TERMS.deadline_s + LATE_S
    assert reason == "connection"


def test_names_that_are_never_found_keep_few_threads_and_nobody_waiting(
    tls: ssl.SSLContext,
) -> None:
    """The system's resolver cannot be told to stop; who asks goes on, and it is asked no more."""
    found = threading.Event()
    asked: list[str] = []

    def resolver(host: str) -> list[str]:
        asked.append(host)
        found.wait(60)
        return ["10.0.0.1"]

    ours = Fetcher(Reach.over(http=False), Names(resolver, threads_most=3), tls)
    before = threading.active_count()
    for number in range(4):
        began = time.monotonic()
        assert reason_of(ours, f"https://name{number}.example/", TERMS) == "name"
        took_s = time.monotonic() - began
        assert TERMS.deadline_s <= took_s < TERMS.deadline_s + LATE_S
    assert len(asked) == 3
    assert threading.active_count() == before + 3
    found.set()
    assert reason_of(ours, "https://name9.example/", TERMS) == "address", "and then it goes on"


def test_the_event_loop_goes_on_meanwhile(authority: trustme.CA, tls: ssl.SSLContext) -> None:
    """As the gateway calls it: in a thread, with a limiter of its own."""
    gaps = [0.0]
    longer = replace(TERMS, deadline_s=2)

    async def turn(over: anyio.Event) -> None:
        last = time.monotonic()
        while not over.is_set():
            await anyio.lowlevel.checkpoint()
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    async def both(sites: list[Site]) -> None:
        over, room = anyio.Event(), Room(2)
        ours = fetcher(*sites, tls=tls)

        async def fetch(site: Site) -> None:
            with pytest.raises(FetchRefused):
                await in_thread(room, ours.fetch, f"https://{NAME}:{site.port}/", longer)

        async with anyio.create_task_group() as turning:
            turning.start_soon(turn, over)
            async with anyio.create_task_group() as fetching:
                for site in sites:
                    fetching.start_soon(fetch, site)
            over.set()

    answers = (SLOW["body, byte by byte"], ENDLESS["tiny chunks"])
    with (
        Site(answers[0], server_tls(authority)) as slow,
        Site(answers[1], server_tls(authority)) as endless,
    ):
        anyio.run(both, [slow, endless])
    print(f"figure: the event loop turned {len(gaps)} times, its longest pause {max(gaps):.3f} s")
    assert max(gaps) < longer.deadline_s / 2
