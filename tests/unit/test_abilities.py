"""A size is chosen that the pipeline does not bend, and that keeps the picture's shape."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from jobstore.abilities import DESCRIPTION, Abilities, distortion, largest_size
from runner.pocket.architecture import ABILITIES as POCKET
from runner.render.describe import WAN22_TI2V_5B

side = some.integers(16, 8192)


@given(side, side)
def test_a_size_by_area_fits_and_is_legal(width: int, height: int) -> None:
    limit = (1280, 704)
    found = largest_size((width, height), limit, 32)
    assert found[0] * found[1] <= limit[0] * limit[1]
    assert all(length % 32 == 0 and length >= 32 for length in found)


@given(some.floats(0.4, 2.5), some.integers(200, 4000))
def test_a_size_by_area_keeps_the_shape(ratio: float, height: int) -> None:
    picture = (round(height * ratio), height)
    assert distortion(picture, largest_size(picture, (1280, 704), 32)) < 1.05


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (None, (1280, 704)),
        ((1280, 704), (1280, 704)),
        ((704, 1280), (704, 1280)),
        ((1000, 1000), (960, 928)),
        ((4000, 1000), (1888, 448)),
    ],
)
def test_the_published_model(picture: tuple[int, int] | None, size: tuple[int, int]) -> None:
    assert WAN22_TI2V_5B.size_for(picture) == size


def test_a_preset_without_its_weights_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "transformer").mkdir()
    (tmp_path / DESCRIPTION).write_text(WAN22_TI2V_5B.model_dump_json())
    assert set(Abilities.read(tmp_path).presets) == {"quality", "balanced", "fast"}
    (tmp_path / "transformer_draft").mkdir()
    assert "draft" not in Abilities.read(tmp_path).presets, "it is still on its way"
    (tmp_path / "transformer_draft" / "config.json").touch()
    assert "draft" in Abilities.read(tmp_path).presets


def test_the_embedded_model_has_one_size() -> None:
    assert POCKET.size_for((300, 200)) == POCKET.size_for(None) == (128, 128)


CACHED = {"about": "", "steps": 20, "guidance_scale": 3.0, "cache_threshold": 0.03}
DISTILLED = {"about": "", "steps": 3, "guidance_scale": 1.0, "sigmas": [1.0, 0.5]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_frames": 16},
        {"sizes": ["100x128"]},
        {"sizes": []},
        {"presets": {}},
        {"presets": POCKET.model_dump()["presets"] | {"fast": CACHED}, "mag_ratios": {}},
        {"presets": POCKET.model_dump()["presets"] | {"draft": DISTILLED}},
    ],
)
def test_a_description_the_pipeline_would_bend_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Abilities.model_validate(POCKET.model_dump() | wrong)
