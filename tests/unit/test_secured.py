"""Every answer, whoever gives it, forbids a browser to make more of it."""

from collections.abc import Iterator

import pytest

from gateway.patience import Patience
from gateway.secured import HEADERS, secured
from serving import Serving, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(Patience(linger_s=0.1)) as server:
        yield server


ANSWERS = {
    "an answer": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    "a path that is none": (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "a mistake of ours": (b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n", 500),
    "a refusal": (b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 9000), 414),
    "no request": (b"GET / HTTP/1.1\r\n\r\n", 400),
}


@pytest.mark.parametrize(("sent", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_has_the_headers(server: Serving, sent: bytes, status: int) -> None:
    with server.call() as caller:
        caller.send(sent)
        answer = caller.answer()
    assert answer.status == status
    for name, value in HEADERS:
        assert answer.headers[name.decode()] == value.decode()
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers


def test_what_an_answer_says_itself_stands() -> None:
    page = [(b"Content-Security-Policy", b"default-src 'self'"), (b"cache-control", b"max-age=9")]
    headers = secured(page, https=True)
    assert [value for name, value in headers if name == b"content-security-policy"] == [page[0][1]]
    assert [value for name, value in headers if name == b"cache-control"] == [b"max-age=9"]
    assert (b"strict-transport-security", b"max-age=604800") in headers
