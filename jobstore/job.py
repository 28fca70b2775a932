"""What a job is: the request that was asked, and how far it has come."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from jobstore.clock import moment
from jobstore.moves import State


class Phase(StrEnum):
    """What a job in `processing` is waiting for."""

    LOADING_MODEL = "loading_model"
    ENCODING_PROMPT = "encoding_prompt"
    DENOISING = "denoising"
    DECODING = "decoding"
    ENCODING_VIDEO = "encoding_video"
    UPLOADING = "uploading"


class Request(BaseModel):
    """What was asked, with every default resolved; it never changes.

    `image` is the name of a file in `DATA_DIR/inputs/images`; `width` and `height` are pixels,
    `fps` frames per second, `seed` below 2**63 so that every part can hold it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    negative_prompt: str
    image: str | None
    width: int
    height: int
    num_frames: int
    fps: int
    steps: int
    guidance_scale: float
    seed: int


@dataclass(frozen=True)
class Job:
    """A render asked for. Times `_at` are milliseconds since 1970 (UTC); `progress` is percent."""

    job_id: str
    state: State
    request: Request
    attempt: int
    fence: int
    progress: int
    phase: Phase | None
    step: int
    accepted_at: int
    started_at: int | None
    ended_at: int | None
    error_code: str | None
    error: str | None

    @property
    def object_key(self) -> str:
        """Name the one object this job is delivered as; its date is that of the acceptance."""
        return f"videos/{moment(self.accepted_at):%Y/%m}/{self.job_id}.mp4"


@dataclass(frozen=True)
class Video:
    """A whole MP4 on this machine's disk, relative to `DATA_DIR`, with its size and SHA-256."""

    path: PurePosixPath
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Delivery:
    """A claimed row of the outbox: this video is owed to that key."""

    job_id: str
    kind: str
    key: str
    video: Video
    attempt: int
    fence: int


@dataclass(frozen=True)
class Stage:
    """What another process says of itself, and when it last did (`beat_at`, milliseconds)."""

    name: str
    host: str
    beat_at: int
    facts: dict[str, object]
