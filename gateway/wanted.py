"""The body of `POST /generate`: every field, its limits, and what it becomes."""

import hashlib
import json
import re
import secrets
from typing import Annotated, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)

from gateway import limits
from jobstore.abilities import USUAL, Abilities, sides
from jobstore.job import Request

PROMPT_LIMIT = 4000  # characters
SEED_LIMIT = 2**63
PRIORITY_LIMIT = 100  # both ways, as in the job store
GUIDANCE_LIMIT = 20
METADATA_LIMIT, NAME_LIMIT, VALUE_LIMIT = 16, 64, 512  # pairs, and characters of each
SIZE = r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}"
TEXT = (
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"  # no control characters but tabs and line breaks
)
LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
SEEN = (  # a character that shows: no space, and none that Unicode calls default ignorable
    r"[^\s\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8]"
)

BASE64: dict[str, JsonValue] = {
    "format": "image-base64",
    "contentEncoding": "base64",
    "contentMediaType": "image/png, image/jpeg, image/webp",
}

URL: dict[str, JsonValue] = {"format": "uri", "pattern": "^https?://"}


def whole(value: object) -> object:
    """Take 8.0 for 8: JSON does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def spelt_out(value: object) -> object:
    """Let nothing but `true` and `false` stand for the two in a form."""
    if isinstance(value, str) and value not in {"true", "false"}:
        message = "is true or false"
        raise ValueError(message)
    return value


WHOLE = BeforeValidator(whole)
Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Value = Annotated[str, Field(max_length=VALUE_LIMIT)]
Prompt = Annotated[
    str,
    Field(
        max_length=PROMPT_LIMIT, json_schema_extra={"pattern": TEXT, "allOf": [{"pattern": SEEN}]}
    ),
]
NegativePrompt = Annotated[str, Field(max_length=PROMPT_LIMIT, json_schema_extra={"pattern": TEXT})]


class Wanted(BaseModel):
    """The body of `POST /generate`; all but `prompt` may be left out."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    prompt: Prompt
    """What the video shows."""

    image_base64: Annotated[str, Field(json_schema_extra=BASE64)] | None = None
    """A PNG, JPEG or WebP from which the video starts; it is cropped around its middle."""

    image_url: Annotated[str, Field(json_schema_extra={"format": "uri"})] | None = None
    """Where such a picture can be fetched."""

    negative_prompt: NegativePrompt | None = None
    """What the video does not show; the model's own if it is left out, none if it is empty."""

    size: str | None = None
    """`WIDTHxHEIGHT` in pixels; the model's first, or the one that suits the picture."""

    num_frames: Annotated[int, WHOLE] | None = None
    """How long it lasts, 4k + 1 frames; the most of the model if it is left out."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The same in seconds; send one of them."""

    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT), WHOLE] | None = None
    """The same one gives the same video again; chosen and told if it is left out."""

    preset: str = USUAL
    """How to render; `GET /capabilities` says what each does."""

    steps: Annotated[int, Field(ge=1, le=limits.STEPS_MOST), WHOLE] | None = None
    """Denoising steps, instead of those of the preset."""

    guidance_scale: Annotated[float, Field(ge=1, le=GUIDANCE_LIMIT)] | None = None
    """How strictly the prompt is followed, instead of as the preset has it; 1 is without."""

    priority: Annotated[int, Field(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT), WHOLE] = 0
    """The highest is rendered first."""

    webhook_url: Annotated[str, Field(json_schema_extra=URL)] | None = None
    """Where the end of the job is told, by a signed POST."""

    metadata: Annotated[dict[Name, Value], Field(max_length=METADATA_LIMIT)] = {}
    """The caller's own, given back with the job."""

    embed_metadata: Annotated[bool, BeforeValidator(spelt_out)] = True
    """Whether the MP4 tells in its comment what it was made of."""

    @field_validator("prompt")
    @classmethod
    def _can_be_read(cls, prompt: str) -> str:
        if not re.search(SEEN, prompt):
            message = "is empty; describe the video you want"
            raise ValueError(message)
        return plain(prompt)

    @field_validator("negative_prompt")
    @classmethod
    def _can_be_written(cls, text: str | None) -> str | None:
        return None if text is None else plain(text)

    @field_validator("metadata")
    @classmethod
    def _can_be_kept(cls, metadata: dict[str, str]) -> dict[str, str]:
        for name, value in metadata.items():
            if not re.search(LINE, name) or halved(name) or halved(value):
                message = "has half a character in it, or a control character in a name"
                raise ValueError(message)
        return metadata

    @field_validator("size")
    @classmethod
    def _is_taken(cls, size: str | None, info: ValidationInfo) -> str | None:
        if size is not None:
            if not re.fullmatch(SIZE, size):
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

    def resolve(self, picture: tuple[int, int] | None, can: Abilities) -> Request:
        """Fill in what was not asked for from what the model says of itself.

        Args:
            picture: the width and height of the picture, if there is one; it has no name yet.
            can: what the model can do.
        """
        preset = can.presets[self.preset]
        width, height = sides(self.size) if self.size else can.size_for(picture)
        frames = limits.frames_for(self.seconds, can) if self.seconds else self.num_frames
        negative = can.negative_prompt if self.negative_prompt is None else self.negative_prompt
        return Request(
            prompt=self.prompt,
            negative_prompt=negative,
            image=None,
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


def plain(text: str) -> str:
    """Trim a text, and make it one line: the pipeline reads line breaks and tabs as spaces.

    Raises:
        ValueError: it has characters in it that are no text.
    """
    if not re.search(TEXT, text) or halved(text):
        message = "has control characters in it; send plain text"
        raise ValueError(message)
    return re.sub(r"[\t\r\n]+", " ", text.strip())


def halved(text: str) -> bool:
    """Tell whether half a character is in a text, which JSON can write and nothing can show."""
    return any("\ud800" <= character <= "\udfff" for character in text)
