"""What a job is: the request that was asked, and how far it has come."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from jobstore.abilities import USUAL, Abilities, Task
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
    `fps` frames per second, `seed` below 2**63 so that every part can hold it. What a preset means
    besides steps and guidance stands in the model's description. `embed_metadata`: the MP4 itself
    tells what it was made of. `metadata` is the caller's own, given back as it came. Requests older
    than a field have its default.
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
    preset: str = USUAL
    embed_metadata: bool = True
    metadata: dict[str, str] = {}

    @classmethod
    def usual(cls, can: Abilities, prompt: str, seed: int, image: str | None = None) -> Self:
        """Ask a model for a video of the size, length and steps that it is best at."""
        width, height = can.size_for(None)
        return cls(
            prompt=prompt,
            negative_prompt=can.negative_prompt,
            image=image,
            width=width,
            height=height,
            num_frames=can.num_frames,
            fps=can.fps,
            steps=can.usual.steps,
            guidance_scale=can.usual.guidance_scale,
            seed=seed,
        )

    @property
    def task(self) -> Task:
        """What the video starts from."""
        return "image" if self.image else "text"

    @property
    def shape(self) -> str:
        """What decides how long a step takes, as text."""
        size = f"{self.width}x{self.height} {self.num_frames}"
        return f"{self.task} {size} {self.guidance_scale > 1:d} {self.preset}"


@dataclass(frozen=True)
class Arrival:
    """A request as it arrives: whose it is, and how to know it again if it is sent once more.

    `request_hash` stands for everything that was asked; it is there if `idempotency_key` is.
    `retried`: a client library says that it sends the request again by itself. `remix_of`: the job
    whose request this is, but for the prompt. `webhook_url`: where its end is told.
    """

    job_id: str
    request: Request
    source: str
    key_id: str
    idempotency_key: str | None = None
    request_hash: str | None = None
    priority: int = 0
    retried: bool = False
    remix_of: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True)
class Limits:
    """How many jobs may wait in all, and how many of one key may wait and be rendered."""

    queued: int
    key_queued: int | None = None
    key_running: int | None = None


@dataclass(frozen=True)
class Job:
    """A render asked for. Times `_at` are milliseconds since 1970 (UTC).

    `progress` is percent of the whole and never goes back; `step` is where the render stands, or
    stood when it was given back; `spent_ms` is how long it was rendered, in all claims together.
    `unread`: as far as can be told, its caller has not learnt its id. `webhook_url`: where its end
    is told. `expired_at`: since when its video is kept no longer.
    """

    seq: int
    job_id: str
    state: State
    request: Request
    key_id: str
    retry_of: str | None
    remix_of: str | None
    priority: int
    attempt: int
    failures: int
    crashes: int
    fence: int
    progress: int
    spent_ms: int
    phase: Phase | None
    step: int
    accepted_at: int
    started_at: int | None
    ended_at: int | None
    deleted_at: int | None
    expired_at: int | None
    cancel_requested: bool
    error_code: str | None
    error: str | None
    unread: bool
    webhook_url: str | None

    @property
    def object_key(self) -> str:
        """Name the one object this job is delivered as; its date is that of the acceptance."""
        return f"videos/{moment(self.accepted_at):%Y/%m}/{self.job_id}.mp4"


@dataclass(frozen=True)
class Video:
    """A whole MP4 on this machine's disk, relative to `DATA_DIR`, with its size and SHA-256.

    `delivered`: it is in the storage as well, or instead.
    """

    path: PurePosixPath
    size_bytes: int
    sha256: str
    delivered: bool = False

    @classmethod
    def at(cls, path: str, size_bytes: int, sha256: str, *, delivered: bool = False) -> Self:
        """Make it of a path as text."""
        return cls(PurePosixPath(path), size_bytes, sha256, delivered)


class Kind(StrEnum):
    """What is owed."""

    VIDEO = "video"
    REMOVAL = "removal"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Delivery:
    """A claimed row of the outbox: this video is owed to that key, or the removal of its object.

    `error`: how the last try ended. For a webhook the key is its id, the same at each try.
    """

    job_id: str
    kind: Kind
    key: str
    video: Video | None
    attempt: int
    fence: int
    error: str | None


@dataclass(frozen=True)
class Upload:
    """How the delivery of a video goes: bytes, tries, and when the next is due (milliseconds)."""

    size_bytes: int
    sent_bytes: int
    attempts: int
    next_at: int | None


@dataclass(frozen=True)
class Webhook:
    """How the telling of a job's end goes.

    Args:
        seq: its place among all that is owed.
        job_id: the job.
        state: `owed`, `delivering`, `delivered`, or `dead`: given up.
        attempts: how often it was tried.
        error: how the last try ended, if it failed.
        next_at: when it is tried next (milliseconds); None for at once, or never.
    """

    seq: int
    job_id: str
    state: Literal["owed", "delivering", "delivered", "dead"]
    attempts: int
    error: str | None
    next_at: int | None


@dataclass(frozen=True)
class Event:
    """One change of state in the history of a job."""

    state: State
    fence: int
    at: int


@dataclass(frozen=True)
class Stage:
    """What another process says of itself, and when it last did (`beat_at`, milliseconds)."""

    name: str
    host: str
    beat_at: int
    facts: dict[str, Any]
