"""What is sent goes where it may, whole, and nothing of an answer is waited for but its status."""

import itertools
import ssl
import time
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
import trustme

from jobstore.errors import FetchRefused
from jobstore.fetch import Fetcher
from jobstore.names import Names
from jobstore.reach import Exempt, Reach
from receiver import Receiver
from web_site import LOOPBACK, NAME, Answer, Site, Visit, fetcher, server_tls

HEADERS = {"content-type": "application/json", "x-of-its-own": "1"}
DEADLINE_S = 0.5
LATE_S = 1.5  # what a loaded machine may add
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(204) as receiver:
        yield receiver


def within(port: int) -> Fetcher:
    """Make one that may go to a port of this machine, over plain http."""
    reach = Reach.within((Exempt(ip_network(LOOPBACK), port),))
    return Fetcher(reach, Names(lambda _: [LOOPBACK]))


def reason(ours: Fetcher, url: str) -> str:
    with pytest.raises(FetchRefused) as caught:
        ours.send(url, b"{}", HEADERS, DEADLINE_S)
    return caught.value.reason


def test_what_is_sent_comes_whole(receiver: Receiver) -> None:
    content = bytes(range(256)) * 400
    status = within(receiver.port).send(f"http://{NAME}:{receiver.port}/a?b", content, HEADERS)
    (received,) = receiver.received
    assert (status, received.path, received.body) == (204, "/a?b", content)
    assert received.headers == HEADERS | {
        "host": f"{NAME}:{receiver.port}",
        "accept-encoding": "identity",
        "connection": "close",
        "user-agent": "wan22",
        "content-length": str(len(content)),
    }


def taken(visit: Visit) -> None:
    visit.take(len(b"{}"))
    visit.answer(status=202)


def test_over_tls_the_certificate_is_that_of_the_name(
    authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    good, bad = server_tls(authority), server_tls(trustme.CA())
    with Site(taken, good) as site:
        url = f"https://{NAME}:{site.port}/"
        assert fetcher(site, tls=tls).send(url, b"{}", HEADERS) == 202
        assert site.visits[0].asked.startswith(b"POST / HTTP/1.1\r\n")
    with Site(taken, bad) as site:
        url = f"https://{NAME}:{site.port}/"
        assert reason(fetcher(site, tls=tls), url) == "broken"
        assert site.visits == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_status_like_others(receiver: Receiver, status: int) -> None:
    with Receiver(status, location=receiver.url) as first:
        assert within(first.port).send(first.url, b"{}", HEADERS) == status
    assert receiver.received == []


def never_ending(visit: Visit) -> None:
    visit.quickly(itertools.chain([OK + b"\r\n"], itertools.repeat(b"x" * 10_000)))


def never_coming(visit: Visit) -> None:
    visit.send(OK + b"Content-Length: 5\r\n\r\n")
    visit.wait()


@pytest.mark.parametrize("answer", [never_ending, never_coming])
def test_nobody_waits_for_the_body_of_an_answer(answer: Answer) -> None:
    with Site(answer) as site:
        began = time.monotonic()
        assert within(site.port).send(f"http://{NAME}:{site.port}/", b"{}", HEADERS) == 200
        assert time.monotonic() - began < LATE_S


SLOW: dict[str, Answer] = {
    "says nothing": lambda visit: visit.wait(),
    "never ends a header": lambda visit: visit.slowly(
        itertools.chain([OK], itertools.repeat(b"a"))
    ),
    "goes on and on": lambda visit: visit.slowly(
        itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")
    ),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_a_slow_receiver_is_left(answer: Answer) -> None:
    with Site(answer) as site:
        began = time.monotonic()
        assert reason(within(site.port), f"http://{NAME}:{site.port}/") == "slow"
        assert time.monotonic() - began < DEADLINE_S + LATE_S


def test_a_receiver_that_takes_nothing_in_is_left() -> None:
    """It accepts the connection and reads no byte of what is more than the kernel keeps."""
    with Site(lambda visit: visit.wait()) as site:
        with pytest.raises(FetchRefused) as caught:
            within(site.port).send(
                f"http://{NAME}:{site.port}/", bytes(50 << 20), HEADERS, DEADLINE_S
            )
        assert caught.value.reason == "slow"


def test_the_head_of_an_answer_is_bounded() -> None:
    with Site(lambda visit: visit.send(OK + b"a: b\r\n" * 100_000)) as site:
        assert reason(within(site.port), f"http://{NAME}:{site.port}/") in {"large", "broken"}


@pytest.mark.parametrize("answer", [b"", b"220 mail.example ESMTP\r\n", b"\0" * 50])
def test_what_is_no_answer_is_one_error(answer: bytes) -> None:
    with Site(lambda visit: visit.send(answer)) as site:
        assert reason(within(site.port), f"http://{NAME}:{site.port}/") == "broken"
