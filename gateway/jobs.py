"""`/jobs`: list them, and what can be done with one: cancel, retry, delete."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog.stdlib import get_logger
from ulid import ULID

from gateway.accept import make_sure_of_room, shared
from gateway.accepted import accepted
from gateway.answers import Deleted, JobName, Page, Status
from gateway.crowding import limits_of, too_much_told
from gateway.parts import Parts, in_thread, job_asked, parts_of
from gateway.problems import Problem, faults_of
from gateway.shown import STATUSES, facts, find, note_read, public, show
from jobstore.clock import now_ms
from jobstore.job import Job
from jobstore.keys import MAIN
from jobstore.moves import State

log = get_logger()


class Cursor(BaseModel):
    """Which page of a list; `after` is the `last_id` of the page before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: JobName | None = None
    order: Literal["asc", "desc"] = "desc"


class Listed(Cursor):
    """The query of `GET /jobs`."""

    status: Status | None = None


async def list_jobs(request: Request) -> Response:
    """Answer with a page of jobs, the newest first unless asked otherwise."""
    parts, key_id = parts_of(request), request.scope["key_id"]
    try:
        listed = Listed.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise Problem(faults_of(error, Listed)) from error
    states = [state for state, public in STATUSES.items() if public == listed.status]
    jobs, has_more = await in_thread(parts.reads, page, parts, key_id, listed, states)
    await note_read(parts, key_id, jobs)
    body: Page = {
        "data": [facts(job) for job in jobs],
        "has_more": has_more,
        "first_id": jobs[0].job_id if jobs else None,
        "last_id": jobs[-1].job_id if jobs else None,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def page(
    parts: Parts, key_id: str, cursor: Cursor, states: Sequence[State] = ()
) -> tuple[list[Job], bool]:
    """Read one page of the jobs of a key, and whether there are more behind it.

    Raises:
        Problem: `job_unknown`: `after` is no job.
    """
    seq = None
    if cursor.after is not None:
        last = parts.store.views.find(cursor.after)
        if last is None or key_id not in {MAIN, last.key_id}:
            message = "after is no job that is known; send the last_id of the page before."
            raise Problem.of("job_unknown", message, "after")
        seq = last.seq
    oldest_first = cursor.order == "asc"
    whose = None if key_id == MAIN else key_id
    views = parts.store.views
    jobs = views.page(cursor.limit + 1, seq, states, whose, oldest_first=oldest_first)
    return jobs[: cursor.limit], len(jobs) > cursor.limit


async def cancel(request: Request) -> Response:
    """Answer with the job: cancelled, or, while it is rendered, with the wish noted (202)."""
    parts, key_id, job_id = job_asked(request)
    await in_thread(parts.writes, ask_to_stop, parts, key_id, job_id)
    shown = await in_thread(parts.reads, show, parts, key_id, job_id)
    return JSONResponse(shown.body, 200 if shown.ended else 202, {"Cache-Control": "no-store"})


def ask_to_stop(parts: Parts, key_id: str, job_id: str) -> None:
    """Cancel a job; one that is cancelled already stays so.

    Raises:
        Problem: `cancel_too_late`, or there is no such job.
    """
    find(parts, key_id, job_id)
    if parts.store.jobs.cancel(job_id, now_ms()):
        log.info("cancel.requested", job_id=job_id)
        return
    job = find(parts, key_id, job_id)
    if job.state is not State.CANCELLED:
        done = (
            "is rendered, and being uploaded" if job.state is State.RENDERED else f"is {job.state}"
        )
        message = f"This job {done}: there is nothing left to cancel. DELETE it once it has ended."
        raise Problem.of("cancel_too_late", message)


async def retry(request: Request) -> Response:
    """Answer 202 with a new job that asks for the same as one that has ended."""
    parts, key_id, job_id = job_asked(request)
    job, new = await in_thread(parts.writes, repeat, parts, key_id, job_id)
    return await in_thread(parts.reads, accepted, parts, job, new=new)


def repeat(parts: Parts, key_id: str, job_id: str) -> tuple[Job, bool]:
    """Make a new job of an old one; while an earlier retry of it lives, that is the one.

    Raises:
        Problem: `job_unfinished`, `image_lost`, too much waits, there is no room, or no such job.
    """
    make_sure_of_room(parts)
    job = find(parts, key_id, job_id)
    again_id = str(ULID())
    with too_much_told(), shared(parts, job.request):
        again = parts.store.jobs.repeat(job_id, again_id, now_ms(), limits_of(parts, job.key_id))
    if again is None:
        raise unfinished(find(parts, key_id, job_id), "retry")
    new = again.job_id == again_id
    if new:
        log.info("job.retried", job_id=again_id, retry_of=job_id)
    return again, new


async def delete(request: Request) -> Response:
    """Answer once the job is buried and the removal of its video is owed; again, the same."""
    parts, key_id, job_id = job_asked(request)
    await in_thread(parts.writes, bury, parts, key_id, job_id)
    body: Deleted = {"job_id": job_id, "deleted": True}
    return JSONResponse(body)


def bury(parts: Parts, key_id: str, job_id: str) -> None:
    """Delete a job that has ended; one that is deleted already stays so.

    Raises:
        Problem: `job_unfinished`, or there never was such a job.
    """
    try:
        job = find(parts, key_id, job_id)
    except Problem as problem:
        if problem.code == "job_deleted":
            return
        raise
    if parts.store.jobs.delete(job_id, now_ms()):
        log.info("job.deleted", job_id=job_id)
    elif job.ended_at is None:
        raise unfinished(job, "delete")


def unfinished(job: Job, wish: str) -> Problem:
    """Say that a job has not ended yet, and what to do."""
    message = f"This job is {public(job.state)}: cancel it, or wait for its end, to {wish} it."
    return Problem.of("job_unfinished", message)
