"""What a model can do: read from `wan22.json` in its folder, written by whoever made the folder.

The gateway resolves and checks every request with it, and never has to load the model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DESCRIPTION = "wan22.json"
CONFIG = "config.json"  # of a transformer; it comes last, when its weights are there
USUAL = "quality"  # the preset of a request that names none

Task = Literal["text", "image"]

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")]


class Preset(BaseModel):
    """A named bundle of steps, guidance and caching.

    `about` tells a caller what he gets. `cache_threshold` lets the step cache leave out forward
    passes as long as the error that it expects of them stays below. `sigmas` are the noise levels
    of a distilled model, one per step, the first 1. `transformer` is the folder of its weights: the
    renderer swaps it in when it is another than that of the job before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    steps: Annotated[int, Field(ge=1)]
    guidance_scale: float
    cache_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    sigmas: list[Annotated[float, Field(gt=0, le=1)]] | None = None
    transformer: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "transformer"

    @model_validator(mode="after")
    def _has_a_sigma_per_step(self) -> Self:
        if self.sigmas is not None and len(self.sigmas) != self.steps:
            message = f"{self.steps} steps need as many sigmas, not {len(self.sigmas)}"
            raise ValueError(message)
        return self


class Abilities(BaseModel):
    """The limits and defaults of one model. Sizes are `WIDTHxHEIGHT` in pixels.

    `mag_ratios` are what the step cache goes by: for each task, step after step of a render of the
    usual preset, how large the change that the blocks make is beside that of the step before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(ge=2, le=2)]
    name: str
    revision: str
    sizes: Annotated[list[Size], Field(min_length=1)]
    side_multiple: int
    sizes_by_area: bool
    fps: int
    num_frames: int
    flow_shift: float
    negative_prompt: str
    presets: Mapping[str, Preset]
    mag_ratios: Mapping[Task, list[float]] = {}

    @model_validator(mode="after")
    def _is_not_bent_by_the_pipeline(self) -> Self:
        for size in self.sizes:
            width, height = sides(size)
            if width % self.side_multiple or height % self.side_multiple:
                message = f"the sides of {size} are not multiples of {self.side_multiple}"
                raise ValueError(message)
        if self.num_frames % 4 != 1:
            message = (
                f"num_frames is 4k + 1 (the VAE packs four frames into one), not {self.num_frames}"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _can_do_its_presets(self) -> Self:
        if USUAL not in self.presets:
            message = f"there is no preset {USUAL}"
            raise ValueError(message)
        cached = any(preset.cache_threshold for preset in self.presets.values())
        if cached and set(self.mag_ratios) != {"text", "image"}:
            message = "a preset with a cache_threshold needs mag_ratios for text and image"
            raise ValueError(message)
        return self

    @property
    def usual(self) -> Preset:
        """The preset of a request that names none."""
        return self.presets[USUAL]

    @classmethod
    def read(cls, model: Path) -> Self:
        """Read the description in a model's folder, without presets whose weights are missing.

        Raises:
            OSError: there is none.
            ValueError: it is not one.
        """
        described = cls.model_validate_json((model / DESCRIPTION).read_bytes())
        usual = described.usual.transformer
        there = {
            name: preset
            for name, preset in described.presets.items()
            if preset.transformer == usual or (model / preset.transformer / CONFIG).is_file()
        }
        return described.model_copy(update={"presets": there})

    def size_for(self, picture: tuple[int, int] | None) -> tuple[int, int]:
        """Choose the width and height of a video, in pixels.

        Without a picture, the first size of the model. With one of the given width and height, the
        size that loses least of it: of those the model names, or, where the model takes any, the
        largest below the area of the first that keeps the picture's shape.
        """
        if picture is None:
            return sides(self.sizes[0])
        if self.sizes_by_area:
            return largest_size(picture, sides(self.sizes[0]), self.side_multiple)
        return min(map(sides, self.sizes), key=lambda size: distortion(picture, size))


def sides(size: str) -> tuple[int, int]:
    """Split `WIDTHxHEIGHT` into numbers."""
    width, height = size.split("x")
    return int(width), int(height)


def distortion(picture: tuple[int, int], size: tuple[int, int]) -> float:
    """Tell how far the shapes of two rectangles differ: 1 where they are alike, more elsewhere."""
    ratio = (picture[0] * size[1]) / (picture[1] * size[0])
    return max(ratio, 1 / ratio)


def largest_size(
    picture: tuple[int, int], limit: tuple[int, int], multiple: int
) -> tuple[int, int]:
    """Fit a picture's shape into an area, with sides that are multiples of `multiple`.

    Source:
        Wan2.2 wan/utils/utils.py `best_output_size`: round one side down, take as much of the
        other as the area allows, and of both ways keep the one nearer to the picture's shape.
    """
    area = limit[0] * limit[1]
    ratio = picture[0] / picture[1]
    width = (area * ratio) ** 0.5
    longest = area // multiple // multiple * multiple

    def down(side: float) -> int:
        return min(max(int(side) // multiple * multiple, multiple), longest)

    by_width = (down(width), down(area / down(width)))
    by_height = (down(area / down(width / ratio)), down(width / ratio))
    return min(by_height, by_width, key=lambda size: distortion(picture, size))
