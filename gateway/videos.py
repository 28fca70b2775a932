"""`/v1/videos`: the calls of OpenAI's Videos API, over the same jobs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accept import accept
from gateway.answers import VideoDeleted, VideoPage
from gateway.asked import ask, remixed
from gateway.body import read_body
from gateway.dialect import PICTURE, native, video_job
from gateway.jobs import Cursor, bury, page
from gateway.parts import Parts, in_thread, job_asked, parts_of
from gateway.problems import Problem, faults_of
from gateway.sender import sender_of
from gateway.shown import find, note_read
from gateway.video import video
from gateway.wanted import Prompt
from jobstore.job import Job

POLL_AFTER_S = (1.0, 10.0)  # at least, at most
POLLS = 10  # of a job whose end can be estimated


class Remix(BaseModel):
    """The body of a remix."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Prompt


class Content(BaseModel):
    """The query of a download."""

    model_config = ConfigDict(extra="forbid")

    variant: Literal["video"] = "video"


async def create_video(request: Request) -> Response:
    """Answer with the job once it is in the store for good."""
    parts, sender = parts_of(request), sender_of(request)
    body = await read_body(request, PICTURE)
    asked = await ask(parts, native(body, parts.abilities))
    job, _ = await in_thread(parts.writes, accept, parts, asked, sender)
    return await told(parts, job)


async def remix_video(request: Request) -> Response:
    """Answer with a new job that asks for the same as another, with another prompt."""
    parts, sender = parts_of(request), sender_of(request)
    members = (await read_body(request, PICTURE)).members
    source = await in_thread(parts.reads, seen, *job_asked(request))
    try:
        prompt = Remix.model_validate(members).prompt
        asked = remixed(source, prompt, sender.key_id, parts.abilities)
    except ValidationError as error:
        raise Problem(faults_of(error, Remix)) from error
    job, _ = await in_thread(parts.writes, accept, parts, asked, sender)
    return await told(parts, job)


async def retrieve_video(request: Request) -> Response:
    """Answer with a job as it is now."""
    parts, key_id, job_id = job_asked(request)
    job = await in_thread(parts.reads, seen, parts, key_id, job_id)
    await note_read(parts, key_id, [job])
    return await told(parts, job)


async def list_videos(request: Request) -> Response:
    """Answer with a page of jobs, the newest first unless asked otherwise."""
    parts, key_id = parts_of(request), request.scope["key_id"]
    try:
        cursor = Cursor.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise Problem(faults_of(error, Cursor)) from error
    jobs, has_more = await in_thread(parts.reads, page, parts, key_id, cursor)
    await note_read(parts, key_id, jobs)
    body: VideoPage = {
        "object": "list",
        "data": [video_job(job, parts.abilities, parts.settings.expires_at(job)) for job in jobs],
        "has_more": has_more,
        "first_id": jobs[0].job_id if jobs else None,
        "last_id": jobs[-1].job_id if jobs else None,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


async def delete_video(request: Request) -> Response:
    """Answer once the job is buried and the removal of its video is owed."""
    parts, key_id, job_id = job_asked(request)
    await in_thread(parts.writes, bury, parts, key_id, job_id)
    body: VideoDeleted = {"id": job_id, "object": "video.deleted", "deleted": True}
    return JSONResponse(body)


async def download_video(request: Request) -> Response:
    """Answer with the MP4 of a completed job."""
    try:
        Content.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise Problem(faults_of(error, Content)) from error
    await in_thread(parts_of(request).reads, seen, *job_asked(request))
    return await video(request)


async def told(parts: Parts, job: Job) -> Response:
    """Answer with a job, and say when to look again."""
    headers = {"Cache-Control": "no-store"}
    if job.ended_at is None:
        eta_s = await in_thread(parts.reads, parts.store.views.eta_s, job.job_id) or 0
        least, most = POLL_AFTER_S
        headers["openai-poll-after-ms"] = f"{min(max(eta_s / POLLS, least), most) * 1000:.0f}"
    return JSONResponse(
        video_job(job, parts.abilities, parts.settings.expires_at(job)), headers=headers
    )


def seen(parts: Parts, key_id: str, job_id: str) -> Job:
    """Look a job up; one that was deleted is none here, since these clients have no word for it.

    Raises:
        Problem: `job_unknown`.
    """
    try:
        return find(parts, key_id, job_id)
    except Problem as problem:
        raise Problem.of("job_unknown", "There is no such video.") from problem
