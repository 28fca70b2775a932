"""A job as callers see it."""

import asyncio
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from structlog.stdlib import get_logger

from gateway.answers import Facts, JobStatus, Status, Upload, WebhookFacts
from gateway.parts import Parts, in_thread
from gateway.problems import Problem
from jobstore.clock import now_ms, text
from jobstore.errors import ObjectsRefused, ObjectsUnavailable, StoreUnavailable
from jobstore.job import Job, Video, Webhook
from jobstore.keys import MAIN
from jobstore.moves import State
from jobstore.objects import LINK_S, Link

log = get_logger()

NOTE_S = 1  # that an answer waits for the note that it was given
HALF_A_LINK_MS = LINK_S * 1000 // 2
STATUSES: Mapping[State, Status] = {
    State.QUEUED: "queued",
    State.PROCESSING: "processing",
    State.RENDERED: "processing",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}
SIGNED = frozenset({"video_url", "video_url_expires_at"})  # another one at each read


@dataclass(frozen=True)
class Shown:
    """A job, the body that tells of it, and the entity tag of that body."""

    job: Job
    body: JobStatus
    etag: str

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more, but for its link and its webhook."""
        return self.job.ended_at is not None


def find(parts: Parts, key_id: str, job_id: str) -> Job:
    """Look a job up; those of other keys are none, but for the key in the settings.

    Raises:
        Problem: `job_unknown` or `job_deleted`.
    """
    job = parts.store.views.find(job_id)
    if job is None or key_id not in {MAIN, job.key_id}:
        message = "There is no such job; job_id is what POST /generate answered."
        raise Problem.of("job_unknown", message)
    if job.deleted_at is not None:
        raise Problem.of("job_deleted", "This job was deleted, and its video with it.")
    return job


def show(parts: Parts, key_id: str, job_id: str) -> Shown:
    """Show a job with all that there is to tell: its place, an estimate and its link.

    Raises:
        Problem: `job_unknown` or `job_deleted`.
    """
    job = find(parts, key_id, job_id)
    views = parts.store.views
    now = now_ms()
    ends_at = parts.settings.expires_at(job)
    expired = ends_at is not None and ends_at <= now
    video = views.video(job_id) if job.state is State.COMPLETED and not expired else None
    link = sign(parts, job, video, now) if video else None
    body: JobStatus = {
        "job_id": job.job_id,
        "status": public(job.state),
        "video_url": link.url if link else None,
        "error": job.error,
        "error_code": job.error_code,
        "position": views.position(job_id) if job.state is State.QUEUED else None,
        "phase": job.phase,
        "eta_s": rounded(views.eta_s(job_id)) if job.ended_at is None else None,
        "upload": upload(parts, job),
        "video_url_expires_at": text(link.expires_at) if link else None,
        "video_expires_at": text(ends_at) if ends_at is not None and not expired else None,
        "video_expired_at": text(ends_at) if ends_at is not None and expired else None,
        "webhook": webhook_of(parts, job),
        **facts(job),
    }
    return Shown(job, body, etag_of(body, link))


def facts(job: Job) -> Facts:
    """Tell of a job what its row tells, without a look at the others; a list tells this much."""
    request = job.request
    return {
        "job_id": job.job_id,
        "status": public(job.state),
        "error": job.error,
        "error_code": job.error_code,
        "phase": job.phase,
        "progress": job.progress,
        "step": job.step,
        "steps": request.steps,
        "seed": request.seed,
        "preset": request.preset,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "guidance_scale": request.guidance_scale,
        "width": request.width,
        "height": request.height,
        "num_frames": request.num_frames,
        "fps": request.fps,
        "priority": job.priority,
        "metadata": request.metadata,
        "retry_of": job.retry_of,
        "remix_of": job.remix_of,
        "cancel_requested": job.cancel_requested,
        "attempt": job.attempt,
        "accepted_at": text(job.accepted_at),
        "started_at": text(job.started_at) if job.started_at else None,
        "ended_at": text(job.ended_at) if job.ended_at else None,
    }


def public(state: State) -> Status:
    """Say where a job stands in the words of the API."""
    return STATUSES[state]


def etag_of(body: JobStatus, link: Link | None) -> str:
    """Name what a body says; a link counts as the same for half its life, so a kept one is good."""
    lasting: dict[str, object] = {name: value for name, value in body.items() if name not in SIGNED}
    lasting["link"] = link.expires_at // HALF_A_LINK_MS if link else None
    return f'W/"{hashlib.sha256(json.dumps(lasting).encode()).hexdigest()[:20]}"'


def rounded(seconds: float | None) -> int | None:
    """Round an estimate up to whole seconds."""
    return None if seconds is None else math.ceil(seconds)


def sign(parts: Parts, job: Job, video: Video, now: int) -> Link | None:
    """Sign a link, anew at each read; None while none can be signed.

    It leads to the storage, or to this machine while the video is only here, and never outlives the
    video.
    """
    ends_at = parts.settings.expires_at(job)
    most_s = LINK_S if ends_at is None else min(LINK_S, (ends_at - now) // 1000)
    if most_s < 1:
        return None
    if parts.objects is None or not video.delivered:
        return parts.links.sign(job.job_id, now + most_s * 1000)
    try:
        return parts.objects.link(job.object_key, f"{job.job_id}.mp4", most_s)
    except (ObjectsRefused, ObjectsUnavailable) as error:
        log.error("link.refused", job_id=job.job_id, error=str(error))
        return None


def upload(parts: Parts, job: Job) -> Upload | None:
    """Tell how the upload of a rendered video goes; None for any other job."""
    going = parts.store.views.upload(job.job_id) if job.state is State.RENDERED else None
    if going is None:
        return None
    return {
        "size_bytes": going.size_bytes,
        "sent_bytes": going.sent_bytes,
        "attempts": going.attempts,
        "next_at": text(going.next_at) if going.next_at else None,
    }


def webhook_of(parts: Parts, job: Job) -> WebhookFacts | None:
    """Tell how the telling of a job's end goes; None if nobody is told, which costs no look."""
    if job.webhook_url is None:
        return None
    webhook = parts.store.views.webhook(job.job_id) if job.ended_at is not None else None
    if webhook is None:
        return {"state": "waiting", "attempts": 0, "error": None, "next_at": None}
    return webhook_facts(webhook)


def webhook_facts(webhook: Webhook) -> WebhookFacts:
    """Tell of a webhook what its row tells."""
    return {
        "state": webhook.state,
        "attempts": webhook.attempts,
        "error": webhook.error,
        "next_at": text(webhook.next_at) if webhook.next_at else None,
    }


async def note_read(parts: Parts, key_id: str, jobs: Sequence[Job]) -> None:
    """Note, before the answer, that the caller knows of these jobs; only a first read writes.

    Jobs of others, which the key in the settings sees, are left as they are. While the store cannot
    be written, the answer is given all the same, and soon.
    """
    news = [job for job in jobs if job.unread and job.key_id == key_id]
    if not news:
        return
    noting = asyncio.ensure_future(note(parts, news))
    await asyncio.wait({noting}, timeout=NOTE_S)
    if noting.done():
        noting.result()


async def note(parts: Parts, jobs: Sequence[Job]) -> None:
    """Write the note; if it cannot be kept, a client library may be given the job once more."""
    try:
        await in_thread(parts.notes, parts.store.jobs.read, jobs)
    except StoreUnavailable as error:
        log.warning("store.missed", error=str(error))
