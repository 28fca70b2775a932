"""Connections are bounded in number, TLS is spoken where it should be, and all end in order."""

import contextlib
import hashlib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.addresses import CannotListen, is_public, listen, resolved, url
from gateway.authority import Files, issue
from gateway.patience import Patience
from gateway.server import SHUTDOWN_S
from serving import LARGE, Caller, Serving, serving

EVERYWHERE = ".".join("0000")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    files = Files(tmp_path_factory.mktemp("tls"))
    issue(files, ["127.0.0.1"], "here", datetime.now(UTC))
    return files


@pytest.fixture(scope="module")
def secure(files: Files) -> Iterator[Serving]:
    patience = Patience(greeting_s=0.5, linger_s=0.2)
    with serving(patience, (files.cert, files.key)) as server:
        yield server


@contextlib.contextmanager
def many(server: Serving, count: int) -> Iterator[list[Caller]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.call()) for _ in range(count)]


def test_when_all_places_are_taken_the_longest_idle_goes() -> None:
    with serving(Patience(connections=4, requests=2)) as server, many(server, 4) as callers:
        for caller in callers:
            assert caller.get().status == 200
        with server.call() as another:
            assert another.get().status == 200
            assert callers[0].is_ended()
            assert [caller.get().status for caller in callers[1:]] == [200] * 3


def test_two_hundred_that_trickle_do_not_fill_a_house_of_twenty() -> None:
    with (
        serving(Patience(connections=20, requests=10)) as server,
        many(server, 200) as callers,
        server.call() as honest,
    ):
        for caller in callers:
            with contextlib.suppress(ConnectionError):
                caller.send(b"GET / HT")
        assert honest.get().status == 200


def test_a_request_that_is_being_answered_never_has_to_go() -> None:
    with serving(Patience(connections=4, requests=2)) as server, server.call() as one:
        one.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.held.acquire(timeout=10)
        with many(server, 20), server.call() as last:
            assert last.get().status == 200
        server.release.set()
        assert one.answer().body == b"at last"


def test_where_all_are_being_answered_a_newcomer_is_sent_away() -> None:
    with serving(Patience(connections=1, requests=1)) as server, server.call() as one:
        one.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.held.acquire(timeout=10)
        with server.call() as two:
            assert two.is_ended()


def test_a_server_that_stops_waits_for_answers_and_for_nothing_else(files: Files) -> None:
    with (
        serving(Patience(), (files.cert, files.key)) as server,
        server.call() as silent,
        server.call_by_tls(files.authority) as one,
    ):
        one.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.held.acquire(timeout=10)
        server.server.should_exit = True
        assert silent.is_ended()
        server.release.set()
        assert one.answer().body == b"at last"


def test_an_idle_caller_does_not_hold_up_the_end(files: Files) -> None:
    """He does not even hear of it before he looks at his connection again."""
    with serving(Patience(), (files.cert, files.key)) as server:
        idle = server.call_by_tls(files.authority)
        assert idle.get().status == 200
        began = time.monotonic()
    assert time.monotonic() - began < SHUTDOWN_S / 2
    idle.connection.close()


def test_tls_carries_large_bodies_both_ways(secure: Serving, files: Files) -> None:
    body = bytes(range(256)) * (16 << 12)
    head = b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with secure.call_by_tls(files.authority) as caller:
        caller.send(head + body)
        answer = caller.answer()
        assert answer.body.decode() == hashlib.sha256(body).hexdigest()
        assert answer.headers["strict-transport-security"] == "max-age=604800"
        caller.send(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert caller.drain(0) > LARGE


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_plain_http_to_the_tls_port_is_told_what_to_do(secure: Serving, method: str) -> None:
    with secure.call() as caller:
        caller.send(f"{method} /secret HTTP/1.1\r\nHost: here:8000\r\n\r\n".encode())
        answer = caller.answer()
        assert caller.is_ended()
    assert (answer.status, answer.code) == (400, "plain_http")
    assert b"This port speaks HTTPS; use https://here:8000." in answer.body
    assert "strict-transport-security" not in answer.headers
    assert "/secret" not in secure.seen


def test_a_forwarded_header_does_not_make_plain_http_secure(secure: Serving) -> None:
    with secure.call() as caller:
        caller.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n")
        assert caller.answer().code == "plain_http"


@pytest.mark.parametrize("said", [b"", b"\x16", bytes.fromhex("16030100a5010000a10303")])
def test_a_handshake_that_does_not_come_is_not_waited_for(secure: Serving, said: bytes) -> None:
    with secure.call() as caller:
        caller.send(said)
        assert caller.is_ended()


TLS_1_2 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": True,
    "ECDHE-ECDSA-CHACHA20-POLY1305": True,
    "AES128-GCM-SHA256": False,  # without forward secrecy
    "ECDHE-ECDSA-AES128-SHA256": False,  # without authenticated encryption
}


@pytest.mark.parametrize(("cipher", "taken"), TLS_1_2.items(), ids=TLS_1_2.keys())
def test_only_good_ciphers_are_taken(
    secure: Serving, files: Files, cipher: str, *, taken: bool
) -> None:
    context = ssl.create_default_context(cafile=files.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with secure.call() as caller:
        if taken:
            context.wrap_socket(caller.connection, server_hostname="127.0.0.1").close()
            return
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(caller.connection, server_hostname="127.0.0.1")


def test_old_versions_of_tls_are_refused(secure: Serving) -> None:
    """openssl speaks TLS 1.1 with the lowest level of security, so that it is we who refuse."""
    asked = f"openssl s_client -tls1_1 -cipher DEFAULT@SECLEVEL=0 -connect 127.0.0.1:{secure.port}"
    run = subprocess.run(asked.split(), input=b"", capture_output=True, check=False, timeout=10)
    assert run.returncode != 0
    assert b"Cipher is (NONE)" in run.stdout
    run = subprocess.run(
        asked.replace("1_1", "1_2").split(), input=b"", capture_output=True, check=False, timeout=10
    )
    assert b"Cipher is ECDHE-ECDSA" in run.stdout


def test_the_secure_server_still_serves_after_all_that(secure: Serving, files: Files) -> None:
    with secure.call_by_tls(files.authority) as caller:
        assert [caller.get().status for _ in range(3)] == [200] * 3


def test_what_is_taken_cannot_be_listened_on() -> None:
    (listener,) = listen("127.0.0.1", 0, public=False)
    with listener, pytest.raises(CannotListen, match="already in use"):
        listen("127.0.0.1", listener.getsockname()[1], public=False)


def test_a_name_that_becomes_public_after_it_was_checked_is_not_listened_on() -> None:
    with pytest.raises(CannotListen, match="public"):
        listen(EVERYWHERE, 0, public=False)


def resolve_to(*addresses: str) -> list[tuple[object, ...]]:
    """Answer as getaddrinfo does, each address twice."""
    return [(socket.AF_INET, 1, 6, "", (address, 80)) for address in addresses * 2]


def test_a_name_is_all_its_addresses() -> None:
    found = resolved("gpu", 80, lambda *_, **__: resolve_to("127.0.0.1", "10.0.0.7"))
    assert found == [("127.0.0.1", 80), ("10.0.0.7", 80)]
    assert [is_public(address) for address in found] == [False, True]


PUBLIC = [EVERYWHERE, "::", "10.1.2.3", "192.168.0.1", "169.254.1.1", "fe80::1%eth0", "fd00::1"]
LOCAL = ["127.0.0.1", "127.9.9.9", "::1"]


@pytest.mark.parametrize("address", PUBLIC + LOCAL)
def test_only_loopback_is_not_public(address: str) -> None:
    assert is_public((address, 0)) == (address in PUBLIC)


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert url("https", "::1", 8000) == "https://[::1]:8000"
    assert url("http", "gpu", 80) == "http://gpu:80"
