"""What is fetched is the picture, whole; what is not fetched is not explained to a stranger."""

import gzip
import io
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image
from structlog.testing import capture_logs

from jobstore.errors import FetchRefused
from jobstore.fetch import PICTURE, Fetcher, Terms
from jobstore.names import Names
from jobstore.reach import Exempt, Reach
from web_site import LOOPBACK, NAME, Answer, Site, Visit, fetcher, reason_of, server_tls

SMALL = Terms(PICTURE.media_types, 1000, deadline_s=5)


@pytest.fixture
def site(authority: trustme.CA) -> Iterator[Site]:
    """A site over TLS whose answer is that of its path, called by its name in `ANSWERS`."""
    with Site(lambda visit: ANSWERS[visit.path](visit), server_tls(authority)) as site:
        yield site


def photo() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((640, 480), 60).save(out, "PNG")
    return out.getvalue()


PHOTO = photo()
PIECES = (
    *(b"HTTP/1.1 200 OK", b"\r\n", b"\r\n\r\n", b"HTTP/1.1 302 Found", b"Location: ", b":"),
    *(b"Content-Length: 3", b"Transfer-Encoding: chunked", b"3\r\nabc\r\n", b"0\r\n", b"abc"),
    *(b"HTTP/1.1 100 Continue\r\n\r\n", b"\xff", b"\0", b"//", b"https://[", b"https://"),
)
NO_LENGTH = {"Content-Length": ""}
BOMB = gzip.compress(bytes(50 << 20))
ANSWERS: dict[str, Answer] = {
    "/photo": lambda visit: visit.answer(PHOTO),
    "/found": lambda visit: visit.answer(status=302, headers={"Location": "/photo"}),
    "/one": lambda visit: visit.answer(status=301, headers={"Location": "two"}),
    "/two": lambda visit: visit.answer(status=307, headers={"Location": "./three#part"}),
    "/three": lambda visit: visit.answer(status=308, headers={"Location": "/photo"}),
    "/four": lambda visit: visit.answer(status=303, headers={"Location": "/one"}),
    "/loop": lambda visit: visit.answer(status=302, headers={"Location": "/loop"}),
    "/chunked": lambda visit: visit.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nfour\r\n3;x=y\r\nsix\r\n0\r\n\r\n"
    ),
    "/until-the-end": lambda visit: visit.answer(b"all", headers=NO_LENGTH, say_goodbye=True),
    "/full": lambda visit: visit.answer(bytes(1000)),
    "/untyped": lambda visit: visit.answer(b"any", headers={"Content-Type": ""}),
    "/s3": lambda visit: visit.answer(b"any", headers={"Content-Type": "binary/octet-stream"}),
    "/zipped": lambda visit: visit.answer(BOMB),
}


def to(place: str) -> Answer:
    return lambda visit: visit.answer(status=302, headers={"Location": place})


def says(head: str, content: bytes = b"") -> Answer:
    return lambda visit: visit.send(head.replace("\n", "\r\n").encode("latin-1") + content)


def to_two_places(visit: Visit) -> None:
    if visit.path == "/photo":
        visit.answer(PHOTO)
    else:
        visit.send(b"HTTP/1.1 302 Found\r\nLocation: /photo\r\nLocation: /photo\r\n\r\n")


REFUSED: dict[str, tuple[str, Answer]] = {
    "no content": ("status", lambda visit: visit.answer(status=204)),
    "a part": ("status", lambda visit: visit.answer(b"part", status=206)),
    "not modified": ("status", lambda visit: visit.answer(status=304)),
    "missing": ("status", lambda visit: visit.answer(b"no", status=404)),
    "a mistake": ("status", lambda visit: visit.answer(b"no", status=500)),
    "a page": (
        "media_type",
        lambda visit: visit.answer(b"<p>", headers={"Content-Type": "text/html"}),
    ),
    "bomb": ("compressed", lambda visit: visit.answer(BOMB, headers={"Content-Encoding": "gzip"})),
    "brotli": ("compressed", lambda visit: visit.answer(b"x", headers={"content-encoding": "br"})),
    "identity": (
        "compressed",
        lambda visit: visit.answer(b"x", headers={"Content-Encoding": "identity"}),
    ),
    "zipped on the way": ("broken", says("HTTP/1.1 200 OK\nTransfer-Encoding: gzip\n\n", BOMB)),
    "too large by a byte": ("large", lambda visit: visit.answer(bytes(1001))),
    "too large it says": (
        "large",
        lambda visit: visit.answer(b"", headers={"Content-Length": "1" + "0" * 12}),
    ),
    "too large in pieces": (
        "large",
        says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3e9\n", bytes(1001)),
    ),
    "maybe cut": ("broken", lambda visit: visit.answer(b"half", headers=NO_LENGTH)),
    "cut": ("broken", lambda visit: visit.answer(b"half", headers={"Content-Length": "8"})),
    "two lengths": ("broken", says("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\n12")),
    "negative": ("broken", lambda visit: visit.answer(b"x", headers={"Content-Length": "-1"})),
    "not HTTP": ("broken", says("220 mail.example ESMTP\n")),
    "nothing": ("broken", says("")),
    "another protocol": ("broken", says("HTTP/1.1 101 Switching Protocols\nUpgrade: x\n\n")),
    "to nowhere": ("redirects", lambda visit: visit.answer(status=302)),
    "to two places": ("redirects", to_two_places),
    "to letters unknown": ("broken", says("HTTP/1.1 302 F\nLocation: /\xff\n\n")),
    "to a file": ("url", to("file:///etc/passwd")),
    "to gopher": ("url", to("gopher://127.0.0.1:6379/_INFO")),
    "to ftp": ("url", to("ftp://pictures.example/photo")),
    "to data": ("url", to("data:image/png;base64,AAAA")),
    "to http": ("scheme", to("http://pictures.example/photo")),
    "to a long URL": ("url", to("/" + "a" * 2048)),
    "to a user": ("url", to("https://user@pictures.example/photo")),
    "to another port": ("port", to("https://pictures.example:8443/photo")),
    "on and on": ("redirects", ANSWERS["/loop"]),
}


@pytest.mark.parametrize("path", ["/photo", "/found", "/one"])
def test_a_picture_comes_whole_through_redirects(
    site: Site, tls: ssl.SSLContext, path: str
) -> None:
    assert fetcher(site, tls=tls).fetch(f"https://{NAME}:{site.port}{path}") == PHOTO


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/chunked", b"foursix"),
        ("/until-the-end", b"all"),
        ("/full", bytes(1000)),
        ("/untyped", b"any"),
        ("/s3", b"any"),
    ],
)
def test_a_body_may_come_in_any_form(
    site: Site, tls: ssl.SSLContext, path: str, content: bytes
) -> None:
    assert fetcher(site, tls=tls).fetch(f"https://{NAME}:{site.port}{path}", SMALL) == content


def test_what_is_compressed_is_never_unpacked(site: Site, tls: ssl.SSLContext) -> None:
    assert fetcher(site, tls=tls).fetch(f"https://{NAME}:{site.port}/zipped") == BOMB


def test_a_fourth_redirect_is_one_too_many(site: Site, tls: ssl.SSLContext) -> None:
    url = f"https://{NAME}:{site.port}/four"
    assert reason_of(fetcher(site, tls=tls), url) == "redirects"
    assert [visit.path for visit in site.visits] == ["/four", "/one", "/two", "/three"]


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_answer_is_refused(authority: trustme.CA, tls: ssl.SSLContext, case: str) -> None:
    reason, answer = REFUSED[case]
    with Site(answer, server_tls(authority)) as site:
        url = f"https://{NAME}:{site.port}/"
        assert reason_of(fetcher(site, tls=tls), url, SMALL) == reason


def test_nothing_is_told_but_what_is_needed(
    site: Site, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cookie, no password, nothing of where it came from; and proxies are not asked."""
    proxy = Site(Visit.wait)
    with proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://user:secret@127.0.0.1:{proxy.port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
        ANSWERS["/cookie"] = lambda visit: visit.answer(
            status=302, headers={"Location": "/photo?a=%20b", "Set-Cookie": "a=b; Path=/"}
        )
        ANSWERS["/photo?a=%20b"] = ANSWERS["/photo"]
        fetcher(site, tls=tls).fetch(f"https://{NAME}:{site.port}/cookie#part")
    first, second = (visit.asked.decode() for visit in site.visits)
    head = (
        f"Host: {NAME}:{site.port}\r\nAccept: image/png, image/jpeg, image/webp, */*;q=0.1\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\nUser-Agent: wan22\r\n\r\n"
    )
    assert first == f"GET /cookie HTTP/1.1\r\n{head}"
    assert second == f"GET /photo?a=%20b HTTP/1.1\r\n{head}"
    assert proxy.connections == 0


@pytest.mark.parametrize("fault", ["another name", "the address", "too old", "a stranger's"])
def test_the_certificate_is_that_of_the_name(
    authority: trustme.CA, tls: ssl.SSLContext, fault: str
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    contexts = {
        "another name": server_tls(authority, "other.example"),
        "the address": server_tls(authority, LOOPBACK),
        "too old": server_tls(
            authority, not_before=yesterday - timedelta(days=9), not_after=yesterday
        ),
        "a stranger's": server_tls(trustme.CA()),
    }
    with Site(ANSWERS["/photo"], contexts[fault]) as site:
        url = f"https://{NAME}:{site.port}/photo"
        assert reason_of(fetcher(site, tls=tls), url) == "broken"
        assert not site.visits


def test_the_certificates_of_the_system_count_by_default(site: Site) -> None:
    reach = Reach.over(http=False, exempt=(Exempt(ip_network(LOOPBACK), site.port),))
    ours = Fetcher(reach, Names(lambda _: [LOOPBACK]))
    assert reason_of(ours, f"https://{NAME}:{site.port}/photo") == "broken"
    assert not site.visits


def test_plain_http_is_fetched_only_if_that_is_wanted(tls: ssl.SSLContext) -> None:
    with Site(ANSWERS["/photo"]) as site:
        url = f"http://{NAME}:{site.port}/photo"
        assert fetcher(site, tls=tls, http=True).fetch(url) == PHOTO
        assert reason_of(fetcher(site, tls=tls), url) == "scheme"
        assert site.connections == 1


@pytest.mark.parametrize("addresses", [["127.0.0.2", LOOPBACK], [LOOPBACK, "127.0.0.2"]])
def test_another_address_is_tried_when_one_does_not_answer(
    site: Site, tls: ssl.SSLContext, addresses: list[str]
) -> None:
    exempt = (Exempt(ip_network("127.0.0.0/8"), site.port),)
    names = Names(lambda _: addresses)
    ours = Fetcher(Reach.over(http=False, exempt=exempt), names, tls)
    assert ours.fetch(f"https://{NAME}:{site.port}/photo") == PHOTO


def test_an_exemption_is_for_its_own_port_and_network(site: Site, tls: ssl.SSLContext) -> None:
    url = f"https://{NAME}:{site.port}/photo"
    for network, port in [("127.0.0.2", site.port), (LOOPBACK, 1), (LOOPBACK, None)]:
        reach = Reach.over(http=False, exempt=(Exempt(ip_network(network), port),))
        ours = Fetcher(reach, Names(lambda _: [LOOPBACK]), tls)
        assert reason_of(ours, url) in {"address", "port"}
    whole = Reach({"https": site.port}, (Exempt(ip_network(LOOPBACK)),))
    assert Fetcher(whole, Names(lambda _: [LOOPBACK]), tls).fetch(url) == PHOTO
    assert site.connections == 1


def test_the_log_knows_the_server_and_no_secret(site: Site, tls: ssl.SSLContext) -> None:
    ANSWERS["/canary?canary"] = to("https://canary@other.example/canary?canary")
    urls = {
        f"https://{NAME}:{site.port}/canary?canary": f"https://{NAME}:{site.port}",
        f"https://canary:canary@{NAME}/canary": "",
        f"https://{NAME}:1/canary?canary#canary": "",
    }
    with capture_logs() as logs:
        for url in urls:
            with pytest.raises(FetchRefused) as caught:
                fetcher(site, tls=tls).fetch(url)
            assert "canary" not in f"{caught.value!r} {caught.value}"
    assert [line["site"] for line in logs] == list(urls.values())
    assert "canary" not in str(logs)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=some.one_of(
        some.binary(max_size=300),
        some.lists(some.sampled_from(PIECES)).map(b"".join),
    )
)
def test_whatever_a_server_says_there_is_a_body_or_one_error(
    talker: tuple[Site, list[bytes]], tls: ssl.SSLContext, content: bytes
) -> None:
    site, saying = talker
    saying[:] = [content]
    try:
        body = fetcher(site, tls=tls, http=True).fetch(f"http://{NAME}:{site.port}/", SMALL)
    except FetchRefused:
        return
    assert isinstance(body, bytes)


@pytest.fixture
def talker() -> Iterator[tuple[Site, list[bytes]]]:
    """A site that says what is put into the list, whatever it is."""
    saying: list[bytes] = [b""]
    with Site(lambda visit: visit.send(saying[0])) as site:
        yield site, saying
