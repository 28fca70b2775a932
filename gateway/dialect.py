"""The Videos dialect of OpenAI: its words for a request and for a job, beside our own.

Source:
    The official clients (openai 3.54 for Python, 7.57 for Node) as they were seen on the wire:
    `create` is always a form, with every value as text; `input_reference` is a file, or an object
    with an `image_url`, which may be a data URL; a poll returns at once on any status but `queued`
    and `in_progress`.
"""

import contextlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gateway.answers import VideoError, VideoJob
from gateway.body import Body
from gateway.problems import Problem
from gateway.wanted import Wanted
from jobstore.abilities import Abilities
from jobstore.job import Job
from jobstore.moves import State

PICTURE = "input_reference"
STATUSES: dict[State, Literal["queued", "in_progress", "completed", "failed"]] = {
    State.QUEUED: "queued",
    State.PROCESSING: "in_progress",
    State.RENDERED: "in_progress",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",  # a poll would go on for ever on a word of our own
}


class Reference(BaseModel):
    """A picture by its URL, which may be a data URL."""

    model_config = ConfigDict(extra="forbid")

    image_url: str


def as_text_too(schema: dict[str, Any]) -> None:
    """Say in a schema that `seconds` is taken as text as well, as these clients send it."""
    schema["properties"]["seconds"]["anyOf"].append(
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
    )


class VideoWanted(Wanted):
    """The body of `POST /v1/videos`: that of `POST /generate`, and OpenAI's words for it."""

    model_config = ConfigDict(json_schema_extra=as_text_too)

    model: str | None = None
    """The model of this service, if it is named."""

    input_reference: Reference | None = None
    """A picture from which the video starts."""


def native(body: Body, can: Abilities) -> Body:
    """Say in our words what was asked in OpenAI's.

    Raises:
        Problem: `field_wrong`: another model, or a picture that is neither file nor URL.
    """
    members = dict(body.members)
    model = members.pop("model", None)
    if model not in (None, can.name):
        message = f"model is {str(model)[:100]!r}; this service has {can.name}: send that, or none."
        raise Problem.of("field_wrong", message, "model")
    if isinstance(seconds := members.get("seconds"), str):
        with contextlib.suppress(ValueError):
            members["seconds"] = float(seconds)
    picture = members.pop(PICTURE, None)
    if picture is not None:
        url = url_of(picture)
        name = "image_base64" if url.startswith("data:") else "image_url"
        if members.setdefault(name, url) is not url:
            raise Problem.of("field_wrong", f"{PICTURE} says the same as {name}.", PICTURE)
    return Body(members, body.part, body.file, body.typed)


def url_of(picture: object) -> str:
    """Read the URL of a picture that is no file.

    Raises:
        Problem: `field_wrong`.
    """
    if isinstance(picture, dict) and len(picture) == 1:
        url = picture.get("image_url")
        if isinstance(url, str):
            return url
    message = f'{PICTURE} is a picture as a file, or {{"image_url": "https://..."}}.'
    raise Problem.of("field_wrong", message, PICTURE)


def video_job(job: Job, can: Abilities, ends_at: int | None) -> VideoJob:
    """Show a job as a video object; `ends_at`: until when its video is kept, in milliseconds."""
    request = job.request
    completed = job.state is State.COMPLETED and job.ended_at is not None
    return {
        "id": job.job_id,
        "object": "video",
        "model": can.name,
        "status": STATUSES[job.state],
        "progress": job.progress,
        "created_at": job.accepted_at // 1000,
        "completed_at": (job.ended_at or 0) // 1000 if completed else None,
        "expires_at": None if ends_at is None else ends_at // 1000,
        "error": video_error(job),
        "prompt": request.prompt,
        "seconds": f"{(request.num_frames - 1) / request.fps:.3g}",
        "size": f"{request.width}x{request.height}",
        "remixed_from_video_id": job.remix_of,
        "seed": request.seed,
        "preset": request.preset,
        "phase": job.phase,
        "metadata": request.metadata,
    }


def video_error(job: Job) -> VideoError | None:
    """Say why a job has no video; None for any other."""
    if job.state is State.CANCELLED:
        return {"code": "cancelled", "message": "Somebody cancelled this job."}
    if job.state is State.FAILED:
        return {"code": job.error_code or "", "message": job.error or ""}
    return None
