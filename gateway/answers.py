"""What the API answers with: the members of every body, as the document and the types have them.

Times are ISO 8601 in UTC, durations seconds. More members may come; none is renamed.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

Status = Literal["queued", "processing", "completed", "failed", "cancelled"]
JobName = Annotated[str, Field(pattern="^[0-9A-Za-z]{1,40}$", description="A job's `job_id`.")]
Percent = Annotated[int, Field(ge=0, le=100)]


class Accepted(TypedDict):
    """A job that is safe; `position` counts from 1 among those that are queued."""

    job_id: str
    status: Status
    position: int | None


class Facts(TypedDict):
    """A job, with what was asked for, every default resolved.

    `progress` is percent of the whole and never goes back; `step` counts denoising steps.
    """

    job_id: str
    status: Status
    error: str | None
    error_code: str | None
    phase: str | None
    progress: Percent
    step: int
    steps: int
    seed: int
    preset: str
    prompt: str
    negative_prompt: str
    guidance_scale: float
    width: int
    height: int
    num_frames: int
    fps: int
    priority: int
    metadata: dict[str, str]
    retry_of: str | None
    remix_of: str | None
    cancel_requested: bool
    attempt: int
    accepted_at: str
    started_at: str | None
    ended_at: str | None


class Upload(TypedDict):
    """How the delivery of a rendered video goes; `next_at`: when it is tried again."""

    size_bytes: int
    sent_bytes: int
    attempts: int
    next_at: str | None


class WebhookFacts(TypedDict):
    """How the telling of a job's end goes: `waiting` until there is one, `dead` once given up.

    `next_at`: when it is tried again, after a failure.
    """

    state: Literal["waiting", "owed", "delivering", "delivered", "dead"]
    attempts: int
    error: str | None
    next_at: str | None


class JobWebhook(WebhookFacts):
    """The same, and of which job."""

    job_id: str


class WebhookPage(TypedDict):
    """Webhooks; `last_id` as `after` gets those behind them."""

    data: list[JobWebhook]
    has_more: bool
    first_id: str | None
    last_id: str | None


class JobStatus(Facts):
    """A job as it is now: its place, an estimate, and, once it is completed, a signed link.

    `video_expires_at`: until when its video is kept, null for ever; once that is over, it is
    `video_expired_at` instead, and there is no link.
    """

    position: int | None
    eta_s: int | None
    upload: Upload | None
    video_url: str | None
    video_url_expires_at: str | None
    video_expires_at: str | None
    video_expired_at: str | None
    webhook: WebhookFacts | None


class Page(TypedDict):
    """Jobs; `last_id` as `after` gets those behind them."""

    data: list[Facts]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Deleted(TypedDict):
    """A job that is gone."""

    job_id: str
    deleted: Literal[True]


class Heard(TypedDict):
    """A server-sent event; `data` is JSON, `id` comes with a change of state."""

    event: Literal["state", "progress", "ended"]
    data: str
    id: NotRequired[str]


class Health(TypedDict):
    """Whether the service can do its work; `stages` says what is down, loading or claims nothing.

    `disk`: `low` begins no render, `full` takes nothing in. `draining`: why nothing is claimed, as
    its owner stops the machine (`stop`) or AWS takes it away (`spot`). `stops_at`: when the machine
    stops, as nobody needs it; `awake_until`: it is held awake.
    """

    status: Literal["ok", "degraded"]
    gpu: str | None
    model_loaded: bool
    model: str | None
    loading: dict[str, Any] | None
    stages: dict[str, str]
    draining: Literal["stop", "spot"] | None
    disk: Literal["ok", "low", "full"]
    stops_at: str | None
    awake_until: str | None


class PresetFacts(TypedDict):
    """A preset; one that is `fixed` has its own steps and guidance."""

    about: str
    steps: int
    guidance_scale: float
    fixed: bool
    steps_least: int


class Capabilities(TypedDict):
    """What the model can do, its defaults, and the limits of every field of a request."""

    model: str
    revision: str
    sizes: list[str]
    sizes_by_area: dict[str, int] | None
    num_frames: int
    fps: int
    presets: dict[str, PresetFacts]
    defaults: dict[str, str]
    limits: dict[str, dict[str, float]]


class FaultFacts(TypedDict):
    """What is wrong with one field."""

    field: str
    code: str
    message: str


class ErrorFacts(TypedDict):
    """The same for the clients of OpenAI."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str


class ProblemFacts(TypedDict):
    """Why a request cannot be done: RFC 9457, with every fault at once."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    code: str
    errors: list[FaultFacts]
    request_id: str
    error: ErrorFacts


class VideoError(TypedDict):
    """Why there is no video."""

    code: str
    message: str


class VideoJob(TypedDict):
    """A job as the clients of OpenAI know it; times are seconds since 1970.

    What is behind `remixed_from_video_id` is wan22's own.
    """

    id: str
    object: Literal["video"]
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: Percent
    created_at: int
    completed_at: int | None
    expires_at: int | None
    error: VideoError | None
    prompt: str
    seconds: str
    size: str
    remixed_from_video_id: str | None
    seed: int
    preset: str
    phase: str | None
    metadata: dict[str, str]


class VideoPage(TypedDict):
    """Jobs as the clients of OpenAI know them; `last_id` as `after` gets those behind them."""

    object: Literal["list"]
    data: list[VideoJob]
    has_more: bool
    first_id: str | None
    last_id: str | None


class VideoDeleted(TypedDict):
    """A job that is gone, as the clients of OpenAI know it."""

    id: str
    object: Literal["video.deleted"]
    deleted: Literal[True]
