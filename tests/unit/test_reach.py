"""A URL is plain, or it is not fetched; and whatever it is, there is one error."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from jobstore.errors import FetchRefused
from jobstore.fetch import Fetcher
from jobstore.names import Names
from jobstore.reach import PLAIN, Exempt, Reach, port_of
from spellings import spellings
from web_site import reason_of

REACH = Reach.over(http=True)
PIECES = (
    *("https", "http", "HTTPS", "ftp", "file", ":", "//", "/", "\\", "@", "#", "?", ".", "..", "%"),
    *("[", "]", "[::1]", "127.0.0.1", "①②⑦", "a.example", "xn--", "xn--a", "ü", "。", "-", "_"),
    *(
        "443",
        "80",
        "0",
        "65536",
        "99999999999999999999",
        "%00",
        "%2e",
        "%25",
        "\0",
        "\n",
        "\t",
        " ",
    ),
    *("\u200b", "\u3000", "\ud800", "\U0001f600", "ﬀ", "İ", "ß", "\u202e", "a" * 64, "a." * 130),
)
URLS = some.one_of(
    some.from_regex(PLAIN, fullmatch=True),
    some.from_regex(r"https?://[a-z0-9._-]{1,12}(:(443|80|[0-9]{1,5}))?(/\S*)?", fullmatch=True),
    some.text(),
    some.lists(some.sampled_from(PIECES), max_size=12).map("".join),
    some.tuples(
        some.sampled_from(["https://", "http://", "https://a@", "https://["]),
        some.lists(some.one_of(some.sampled_from(PIECES), some.text(max_size=3))).map("".join),
    ).map("".join),
)


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("https://pictures.example", b"pictures.example", 443, b"/"),
        ("https://pictures.example/", b"pictures.example", 443, b"/"),
        ("HTTPS://Pictures.Example:443/A.png", b"pictures.example", 443, b"/A.png"),
        ("http://pictures.example/a.png", b"pictures.example", 80, b"/a.png"),
        ("https://pictures.example?a=b&c=d", b"pictures.example", 443, b"/?a=b&c=d"),
        ("https://pictures.example/a%2Fb?x=%20#part", b"pictures.example", 443, b"/a%2Fb?x=%20"),
        ("https://pictures.example/@user:x/a.png", b"pictures.example", 443, b"/@user:x/a.png"),
        ("https://a_b.x-1.example/ä.png", b"a_b.x-1.example", 443, b"/%C3%A4.png"),
        ("https://münchen.example/", b"xn--mnchen-3ya.example", 443, b"/"),
        ("https://93.184.216.34/", b"93.184.216.34", 443, b"/"),
        ("https://4.example/", b"4.example", 443, b"/"),
        ("https://[2606:4700::1111]/", b"2606:4700::1111", 443, b"/"),
    ],
)
def test_a_plain_url_is_taken(text: str, host: bytes, port: int, path: bytes) -> None:
    url = REACH.url(text)
    assert (url.raw_host, port_of(url), url.raw_path) == (host, port, path)


def test_a_url_has_at_most_2048_characters() -> None:
    start = "https://pictures.example/"
    assert REACH.url(start + "a" * (2048 - len(start)))
    with pytest.raises(FetchRefused):
        REACH.url(start + "a" * (2049 - len(start)))


def test_all_addresses_of_a_name_must_be_public_and_those_of_ipv4_are_used() -> None:
    good, six, bad = map(ip_address, ("93.184.216.34", "2606:4700::1111", "10.0.0.1"))
    assert REACH.choose([six, good], 443) == [good]
    for addresses in ([good, bad], [bad, good], [six], []):
        with pytest.raises(FetchRefused):
            REACH.choose(addresses, 443)
    with pytest.raises(FetchRefused):
        REACH.choose([good], 8080)


def test_a_network_of_ones_own_is_reached_if_that_is_wanted() -> None:
    ours = Reach.over(http=False, exempt=(Exempt(ip_network("fd00::/8"), 8443),))
    ten = Reach.over(http=False, exempt=(Exempt(ip_network("10.0.0.0/8")),))
    assert ours.url("https://hooks.example:8443/")
    assert ours.choose([ip_address("fd00::1")], 8443) == [ip_address("fd00::1")]
    assert ten.choose([ip_address("10.0.0.1")], 443) == [ip_address("10.0.0.1")]
    for reach, address, port in [
        (ours, "fd00::1", 443),
        (ours, "93.184.216.34", 8443),
        (ten, "10.0.0.1", 80),
        (ten, "::ffff:10.0.0.1", 443),
        (ten, "11.0.0.1", 8443),
    ]:
        with pytest.raises(FetchRefused):
            reach.choose([ip_address(address)], port)


@pytest.mark.parametrize("port", ["٤٤٣", "+443", "4_4_3", " 443", "443 ", "0443x", "-443", "443:"])
def test_a_port_is_digits(port: str) -> None:
    with pytest.raises(FetchRefused):
        REACH.url(f"https://pictures.example:{port}/")


FAILURES: list[Iterable[str] | Exception] = [
    *([], ["nonsense"], ["10.0.0.1 "], ["1.2.3"], [""], ["fe80::1%"]),
    *(OSError("no"), TimeoutError("slow"), UnicodeError("label too long"), ValueError("no")),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_whatever_a_resolver_says_there_is_one_error(failure: Iterable[str] | Exception) -> None:
    def resolver(_: str) -> Iterable[str]:
        if isinstance(failure, Exception):
            raise failure
        return failure

    fetcher = Fetcher(REACH, Names(resolver))
    assert reason_of(fetcher, "https://pictures.example/") in {"name", "address"}


NOWHERE = Fetcher(REACH, Names(lambda _: ["10.0.0.1"]))


@settings(max_examples=500, deadline=None)
@given(URLS)
@example("https://[::1%eth0]/")
def test_whatever_a_url_is_there_is_one_error(text: str) -> None:
    with pytest.raises(FetchRefused):
        NOWHERE.fetch(text)


@settings(max_examples=500, deadline=None)
@given(some.one_of(URLS, some.sampled_from(spellings())))
def test_what_is_taken_is_what_it_seems(text: str) -> None:
    """Nothing that other programs would read as another host or port."""
    try:
        url = REACH.url(text)
    except FetchRefused:
        return
    assert url.scheme in {"https", "http"}
    assert not url.userinfo
    assert url.raw_host
    assert url.raw_host.isascii()
    assert not set(url.raw_host) & set(b"/\\@#?%[] \t\r\n\0")
    assert port_of(url) == {"https": 443, "http": 80}[url.scheme]
    assert httpx2.URL(str(url)) == url
