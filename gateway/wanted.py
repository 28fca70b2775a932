"""The body of `POST /generate`: every field, its limits, and what it becomes."""

import hashlib
import json
import re
import secrets
import unicodedata
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from gateway import limits
from jobstore.abilities import USUAL, Abilities, sides
from jobstore.job import Request

PROMPT_LIMIT = 4000  # characters
SEED_LIMIT = 2**63
PRIORITY_LIMIT = 100  # both ways, as in the job store
GUIDANCE_LIMIT = 20
METADATA_LIMIT, NAME_LIMIT, VALUE_LIMIT = 16, 64, 512  # pairs, and characters of each
SIZE = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")
INVISIBLE = ("C", "Z")  # Unicode's categories of control, format and space characters
UNWRITABLE = frozenset({"Cc", "Cs"})  # control characters and halves of a character

Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Value = Annotated[str, Field(max_length=VALUE_LIMIT)]


class Wanted(BaseModel):
    """What is wanted; the context of its validation are the model's `Abilities`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: Annotated[str, Field(max_length=PROMPT_LIMIT)]
    image_base64: str | None = None
    image_url: str | None = None
    negative_prompt: Annotated[str, Field(max_length=PROMPT_LIMIT)] | None = None
    size: str | None = None
    num_frames: int | None = None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] | None = None
    preset: str = USUAL
    steps: Annotated[int, Field(ge=1, le=limits.STEPS_MOST)] | None = None
    guidance_scale: Annotated[float, Field(ge=1, le=GUIDANCE_LIMIT)] | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT)] = 0
    metadata: Annotated[dict[Name, Value], Field(max_length=METADATA_LIMIT)] = {}
    embed_metadata: bool = True

    @field_validator("prompt")
    @classmethod
    def _can_be_read(cls, prompt: str) -> str:
        if all(unicodedata.category(character)[0] in INVISIBLE for character in prompt):
            message = "is empty; describe the video you want"
            raise ValueError(message)
        return on_one_line(prompt)

    @field_validator("negative_prompt")
    @classmethod
    def _can_be_written(cls, text: str | None) -> str | None:
        return None if text is None else on_one_line(text)

    @field_validator("metadata")
    @classmethod
    def _can_be_kept(cls, metadata: dict[str, str]) -> dict[str, str]:
        for name, value in metadata.items():
            on_one_line(name)
            if any(unicodedata.category(one) == "Cs" for one in value):
                message = "has half a character in it; send plain text"
                raise ValueError(message)
        return metadata

    @field_validator("size")
    @classmethod
    def _is_taken(cls, size: str | None, info: ValidationInfo) -> str | None:
        if size is not None:
            if not SIZE.fullmatch(size):
                message = "is a width and a height in pixels, such as 1280x704"
                raise ValueError(message)
            limits.check_size(size, abilities(info))
        return size

    @field_validator("num_frames")
    @classmethod
    def _is_a_length(cls, frames: int | None, info: ValidationInfo) -> int | None:
        if frames is not None:
            limits.check_frames(frames, abilities(info))
        return frames

    @field_validator("seconds")
    @classmethod
    def _is_a_length_too(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        if seconds is not None:
            if info.data.get("num_frames") is not None:
                message = "says the same as num_frames; send one of them"
                raise ValueError(message)
            limits.frames_for(seconds, abilities(info))
        return seconds

    @field_validator("preset")
    @classmethod
    def _is_known(cls, preset: str, info: ValidationInfo) -> str:
        presets = abilities(info).presets
        if preset not in presets:
            message = f"{preset[:NAME_LIMIT]!r} is unknown; there are {', '.join(presets)}"
            raise ValueError(message)
        return preset

    @field_validator("steps")
    @classmethod
    def _suit_the_preset(cls, steps: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("preset")
        if steps is not None and name is not None:
            limits.check_steps(steps, name, abilities(info).presets[name])
        return steps

    @field_validator("guidance_scale")
    @classmethod
    def _suits_the_preset(cls, scale: float | None, info: ValidationInfo) -> float | None:
        name = info.data.get("preset")
        if scale is not None and name is not None:
            limits.check_guidance(scale, name, abilities(info).presets[name])
        return scale

    def digest(self, picture: bytes | None) -> str:
        """Hash all that is wanted, the picture's own bytes included; defaults count as left out."""
        asked = self.model_dump(exclude={"image_base64"}, exclude_defaults=True)
        text = json.dumps(asked, sort_keys=True).encode()
        return hashlib.sha256(text + b"\n" + (picture or b"")).hexdigest()

    def resolve(self, picture: tuple[int, int] | None, can: Abilities, image: str) -> Request:
        """Fill in what was not asked for from what the model says of itself.

        Args:
            picture: the width and height of the picture, if there is one.
            can: what the model can do.
            image: the name under which the picture is staged.
        """
        preset = can.presets[self.preset]
        width, height = sides(self.size) if self.size else can.size_for(picture)
        frames = limits.frames_for(self.seconds, can) if self.seconds else self.num_frames
        negative = can.negative_prompt if self.negative_prompt is None else self.negative_prompt
        return Request(
            prompt=self.prompt,
            negative_prompt=negative,
            image=image if picture else None,
            width=width,
            height=height,
            num_frames=frames or can.num_frames,
            fps=can.fps,
            steps=self.steps or preset.steps,
            guidance_scale=self.guidance_scale or preset.guidance_scale,
            preset=self.preset,
            seed=secrets.randbelow(2**32) if self.seed is None else self.seed,
            embed_metadata=self.embed_metadata,
            metadata=self.metadata,
        )


def abilities(info: ValidationInfo) -> Abilities:
    """Find what the model can do, in the context of a validation."""
    return cast("Abilities", info.context)


def on_one_line(text: str) -> str:
    """Trim a text.

    Raises:
        ValueError: it has characters in it that are no text.
    """
    if any(unicodedata.category(character) in UNWRITABLE for character in text.strip()):
        message = "has control characters in it; send plain text, on one line"
        raise ValueError(message)
    return text.strip()
