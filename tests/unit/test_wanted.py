"""What a model takes is taken, what its pipeline would bend is refused with what is near.

Here with the limits of the published 5B; whatever is advised in a refusal is itself taken.
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.limits import fits, nearest_sizes
from gateway.problems import faults_of
from gateway.wanted import Wanted
from jobstore.abilities import Abilities, sides
from jobstore.job import Request
from runner.pocket.architecture import ABILITIES as POCKET
from runner.render.describe import WAN22_TI2V_5B as FULL


def want(can: Abilities = FULL, **wanted: Any) -> Wanted:
    return Wanted.model_validate({"prompt": "a red circle"} | wanted, context=can)


def resolve(can: Abilities = FULL, **wanted: Any) -> Request:
    return want(can, **wanted).resolve(None, can)


def refused(can: Abilities = FULL, **wanted: Any) -> str:
    """Tell why it is refused, if it is for one reason."""
    with pytest.raises(ValidationError) as caught:
        want(can, **wanted)
    (fault,) = faults_of(caught.value, Wanted)
    return fault.message


def test_what_is_asked_for_is_what_is_rendered() -> None:
    request = resolve(
        negative_prompt="",
        size="640x384",
        num_frames=49,
        steps=20,
        guidance_scale=3.5,
        seed=1,
        embed_metadata=False,
        metadata={"shot": "7"},
    )
    assert (request.width, request.height, request.num_frames, request.fps) == (640, 384, 49, 24)
    assert (request.steps, request.guidance_scale, request.seed) == (20, 3.5, 1)
    assert (request.negative_prompt, request.embed_metadata) == ("", False)
    assert request.metadata == {"shot": "7"}


def test_a_size_decides_over_the_shape_of_a_picture() -> None:
    wide = want(size="1280x704").resolve((300, 600), FULL)
    assert (wide.width, wide.height) == (1280, 704)
    tall = want().resolve((300, 600), FULL)
    assert tall.height > tall.width


@pytest.mark.parametrize(
    ("size", "advice"),
    [
        ("1280x720", "send 1280x704 or"),
        ("1000x1000", "send"),
        ("1920x1088", "send"),
        ("64x64", "send"),
        ("2560x320", "send"),
        ("99999x99999", "send"),
        ("10x10", "send"),
        ("big", "such as 1280x704"),
        ("1280X704", "such as 1280x704"),
        ("1280x704\n", "such as 1280x704"),
        ("-32x704", "such as 1280x704"),
    ],
)
def test_a_size_that_would_be_bent_is_refused_with_what_is_near(size: str, advice: str) -> None:
    message = refused(size=size)
    assert advice in message
    for near in re.findall(r"\d+x\d+", message.partition("send ")[2]):
        assert want(size=near).size == near


@given(st.integers(10, 99999), st.integers(10, 99999))
def test_every_size_is_taken_or_has_some_that_are_near(width: int, height: int) -> None:
    near = nearest_sizes(width, height, FULL)
    assert near
    assert all(fits(*sides(size), FULL) for size in near)
    assert not fits(width, height, FULL) or near[0] == f"{width}x{height}"


def test_a_model_of_one_size_says_which() -> None:
    assert "this model takes 128x128" in refused(POCKET, size="256x256")
    assert resolve(POCKET, size="128x128").width == 128


@pytest.mark.parametrize(
    ("frames", "advice"),
    [
        (120, "117 or 121"),
        (122, "121"),
        (1000, "121"),
        (1, "5"),
        (0, "5"),
        (-7, "5"),
        (6, "5 or 9"),
    ],
)
def test_a_number_of_frames_that_would_be_bent_is_refused(frames: int, advice: str) -> None:
    assert refused(num_frames=frames).endswith(f"send {advice}.")


@pytest.mark.parametrize(
    ("seconds", "frames"), [(5, 121), (1, 25), (0.5, 13), (0.17, 5), (3.33, 81), (2.0, 49)]
)
def test_seconds_are_frames(seconds: float, frames: int) -> None:
    assert resolve(seconds=seconds).num_frames == frames


@pytest.mark.parametrize(
    ("seconds", "advice"), [(6, "5"), (0.1, "0.167"), (0.7, "0.667 or 0.833"), (1e300, "5")]
)
def test_a_length_that_no_video_has_is_refused(seconds: float, advice: str) -> None:
    assert refused(seconds=seconds).endswith(f"send {advice}.")


@given(st.floats(0.001, 100))
def test_every_length_is_taken_or_has_one_that_is_near(seconds: float) -> None:
    try:
        frames = resolve(seconds=seconds).num_frames
    except ValidationError as error:
        (fault,) = faults_of(error, Wanted)
        for near in re.findall(r"[\d.]*\d", fault.message.partition("send ")[2]):
            assert resolve(seconds=float(near)).num_frames % 4 == 1
    else:
        assert frames % 4 == 1
        assert abs((frames - 1) / 24 - seconds) < 0.01


def test_a_length_is_said_once() -> None:
    assert "send one of them" in refused(seconds=5, num_frames=121)


def test_a_distilled_preset_is_made_for_its_steps() -> None:
    assert "is made for 3: leave it out" in refused(preset="draft", steps=4)
    assert "is made for 1: leave it out" in refused(preset="draft", guidance_scale=5)
    assert resolve(preset="draft", steps=3, guidance_scale=1).steps == 3


def test_the_step_cache_needs_a_first_step() -> None:
    assert "needs at least 3" in refused(preset="balanced", steps=2)
    assert resolve(preset="balanced", steps=3).steps == 3
    assert resolve(preset="quality", steps=1).steps == 1


WRONG: dict[str, dict[str, Any]] = {
    "no steps": {"steps": 0},
    "too many steps": {"steps": 101},
    "steps are text": {"steps": "20"},
    "no guidance": {"guidance_scale": 0.5},
    "too much guidance": {"guidance_scale": 21},
    "guidance without end": {"guidance_scale": float("inf")},
    "seconds without end": {"seconds": float("inf")},
    "no seconds": {"seconds": 0},
    "frames are halves": {"num_frames": 5.5},
    "too urgent": {"priority": 101},
    "not urgent enough": {"priority": -101},
    "too long a negative prompt": {"negative_prompt": "a" * 4001},
    "a negative prompt with an escape": {"negative_prompt": "a\x1bb"},
    "metadata in a list": {"metadata": ["a"]},
    "a number in metadata": {"metadata": {"a": 1}},
    "too much metadata": {"metadata": {str(n): "" for n in range(17)}},
    "a long name": {"metadata": {"a" * 65: ""}},
    "no name": {"metadata": {"": "a"}},
    "a long value": {"metadata": {"a": "b" * 513}},
    "half a character": {"metadata": {"a": "\ud800"}},
    "a name with an escape": {"metadata": {"a\x1bb": ""}},
    "perhaps embedded": {"embed_metadata": "yes"},
}


@pytest.mark.parametrize("wanted", WRONG.values(), ids=WRONG.keys())
def test_what_is_beyond_a_limit_is_refused(wanted: dict[str, Any]) -> None:
    (field,) = wanted
    assert refused(**wanted).startswith(field)


def test_what_is_at_a_limit_is_taken() -> None:
    metadata = {f"{n:064}": "ü" * 512 for n in range(16)}
    wanted = want(steps=100, guidance_scale=20, priority=-100, metadata=metadata)
    assert wanted.resolve(None, FULL).metadata == metadata


def test_a_request_older_than_a_field_has_its_default() -> None:
    kept = resolve().model_dump(exclude={"metadata", "embed_metadata", "preset"})
    assert Request.model_validate(kept).metadata == {}


def test_a_hash_stands_for_the_content_and_not_for_how_it_is_said() -> None:
    plain = want().digest(None)
    assert want(preset="quality", seed=None, priority=0).digest(None) == plain
    both = {"a": "1", "b": "2"}
    turned = {"b": "2", "a": "1"}
    assert want(metadata=both).digest(None) == want(metadata=turned).digest(None) != plain
    assert len({plain, want().digest(b"1"), want().digest(b"2"), want(seed=1).digest(None)}) == 4


def test_presets_of_the_published_model_are_all_taken() -> None:
    for name, preset in FULL.presets.items():
        assert resolve(preset=name).steps == preset.steps
