"""A link to a video on this disk is good for that one, for a while, and for nothing else."""

import re

import pytest
from starlette.types import Scope

from gateway.links import Links

NOW = 1_000_000_000_000
LINKS = Links("a secret of the gateway", "https://videos.example.com")
LINK = LINKS.sign("J1", NOW + 60_000)


def scope(url: str, method: str = "GET") -> Scope:
    path, _, query = url.removeprefix("https://videos.example.com").partition("?")
    return {"type": "http", "method": method, "path": path, "query_string": query.encode()}


def test_a_link_is_good_until_its_end() -> None:
    assert LINK.expires_at == NOW + 60_000
    assert LINKS.allows(scope(LINK.url), NOW)
    assert LINKS.allows(scope(LINK.url, "HEAD"), NOW + 59_999)
    assert not LINKS.allows(scope(LINK.url), NOW + 60_000)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_link_only_reads(method: str) -> None:
    assert not LINKS.allows(scope(LINK.url, method), NOW)


@pytest.mark.parametrize("place", range(len(LINK.url) - len("https://videos.example.com")))
def test_a_link_that_was_altered_anywhere_is_none(place: int) -> None:
    place += len("https://videos.example.com")
    for other in "07af?&=/Z%":
        if LINK.url[place] != other:
            url = f"{LINK.url[:place]}{other}{LINK.url[place + 1 :]}"
            assert not LINKS.allows(scope(url), NOW), url


def test_a_link_of_another_secret_is_none() -> None:
    other = Links("another secret", "https://videos.example.com").sign("J1", NOW + 60_000)
    assert not LINKS.allows(scope(other.url), NOW)


@pytest.mark.parametrize(
    "query", ["", "expires=1", "signature=", "expires=&signature=", "expires=9&expires=9", "\xe9"]
)
def test_what_is_no_link_is_refused(query: str) -> None:
    assert not LINKS.allows(scope(f"/jobs/J1/video?{query}"), NOW)


def test_a_link_has_nothing_of_the_secret_in_it() -> None:
    assert re.fullmatch(
        r"https://videos\.example\.com/jobs/J1/video\?expires=1000000060&signature=[0-9a-f]{64}",
        LINK.url,
    )
