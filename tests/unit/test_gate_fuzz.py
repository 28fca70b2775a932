"""No bytes do more to the gate than be a picture or be refused."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from structlog.testing import capture_logs

from gateway.gate import admit
from gateway.pictures import PictureRefused
from strangers import seeds, spoil

SHORT_S, LONG_S = 4, 240
SEEDS = [*seeds().values()]
STARTS = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff", b"RIFF\0\1\0\0WEBPVP8X", b""]


def outcome(content: bytes) -> str:
    """Tell what came of it, in a word; anything but a picture or a refusal is raised."""
    try:
        return f"a picture of {len(admit(content).size)} sides"
    except PictureRefused as error:
        return str(error)


@settings(max_examples=20, deadline=None)
@given(some.sampled_from(STARTS), some.binary(max_size=300))
def test_any_bytes_are_a_picture_or_refused(start: bytes, rest: bytes) -> None:
    assert outcome(start + rest).isprintable()


@pytest.mark.parametrize(
    "lasts_s", [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_spoilt_pictures_are_pictures_or_refused(lasts_s: int) -> None:
    """What fails says with which number it was made: `spoil(SEEDS[n % 11], Random(n))`."""
    until = time.monotonic() + lasts_s
    first = time.time_ns()

    def play(offset: int) -> dict[str, int]:
        said: dict[str, int] = {}
        number = first + offset
        while time.monotonic() < until:
            content = spoil(SEEDS[number % len(SEEDS)], random.Random(number))
            try:
                came = outcome(content)
            except Exception as error:
                error.add_note(f"made with {number}")
                raise
            said[came] = said.get(came, 0) + 1
            number += 2
        return said

    with capture_logs() as logs, ThreadPoolExecutor(2) as threads:
        played = [*threads.map(play, range(2))]
    reasons = {log["reason"] for log in logs if log["event"] == "picture.broken"}
    tried = sum(sum(said.values()) for said in played)
    good = sum(said.get("a picture of 2 sides", 0) for said in played)
    print(f"figure: {tried} spoilt pictures: {good} came in; broken by {sorted(reasons)}")
    assert {log["event"] for log in logs} <= {"picture.broken", "picture.untagged"}
    assert 0 < good < tried
