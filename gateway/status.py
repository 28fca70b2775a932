"""`GET /status/{job_id}`: where a job stands, and the link once it is delivered."""

import math

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog.stdlib import get_logger

from gateway.parts import Parts, in_thread, parts_of
from gateway.problems import Problem
from jobstore.clock import text
from jobstore.errors import ObjectsRefused, ObjectsUnavailable
from jobstore.job import Job
from jobstore.moves import State
from jobstore.objects import Link

log = get_logger()


async def status(request: Request) -> Response:
    """Answer with the job as it is now."""
    parts = parts_of(request)
    body = await in_thread(parts.reads, describe, parts, request.path_params["job_id"])
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def describe(parts: Parts, job_id: str) -> dict[str, object]:
    """Describe a job as callers see it.

    Raises:
        Problem: `job_unknown`.
    """
    job = parts.store.views.find(job_id)
    if job is None:
        message = "There is no such job; job_id is what POST /generate answered."
        raise Problem.of("job_unknown", message)
    link = sign(parts, job)
    return {
        "job_id": job.job_id,
        "status": State.PROCESSING if job.state is State.RENDERED else job.state,
        "video_url": link.url if link else None,
        "error": job.error,
        "error_code": job.error_code,
        "position": parts.store.views.position(job_id) if job.state is State.QUEUED else None,
        "phase": job.phase,
        "eta_s": rounded(parts.store.views.eta_s(job_id)),
        "progress": job.progress,
        "step": job.step,
        "steps": job.request.steps,
        "video_url_expires_at": text(link.expires_at) if link else None,
        "seed": job.request.seed,
        "preset": job.request.preset,
        "width": job.request.width,
        "height": job.request.height,
        "num_frames": job.request.num_frames,
        "attempt": job.attempt,
        "accepted_at": text(job.accepted_at),
        "started_at": text(job.started_at) if job.started_at else None,
        "ended_at": text(job.ended_at) if job.ended_at else None,
    }


def rounded(seconds: float | None) -> int | None:
    """Round an estimate up to whole seconds."""
    return None if seconds is None else math.ceil(seconds)


def sign(parts: Parts, job: Job) -> Link | None:
    """Sign a link, anew at each read; None without a video, or while none can be signed."""
    if job.state is not State.COMPLETED:
        return None
    try:
        return parts.objects.link(job.object_key, f"{job.job_id}.mp4")
    except (ObjectsRefused, ObjectsUnavailable) as error:
        log.error("link.refused", job_id=job.job_id, error=str(error))
        return None
