"""Every move of a job, each in one transaction."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobstore.errors import LeaseLost
from jobstore.job import Job, Phase, Request, Video
from jobstore.moves import State
from jobstore.sqlite import Database

CRASH_LIMIT = 3  # crashes without a finished step, after which a job is given up
FAILURE_LIMIT = 3  # failures that may pass, after which a job is given up


@dataclass(frozen=True)
class Jobs:
    """The jobs of one store.

    Moves of a claim take the claimed job itself: its fence says whether the claim still stands.
    `ring` wakes the stage that goes on with what was just committed.
    """

    database: Database
    ring: Callable[[str], None]

    def accept(self, job_id: str, request: Request, source: str, now: int) -> Job:
        """Take a job in, for good: once this returns, the job survives a power cut."""
        queries = self.database.queries
        with self.database.writing() as connection:
            queries.accept_job(
                connection,
                job_id=job_id,
                request=request.model_dump_json(),
                source=source,
                priority=0,
                now=now,
            )
            job = job_from(queries.job_by_id(connection, job_id=job_id))
        self.ring("jobs")
        return job

    def claim(self, owner: str, lease_ms: int, now: int) -> Job | None:
        """Give the oldest due job of the highest priority to `owner`, for `lease_ms`."""
        with self.database.writing() as connection:
            row = self.database.queries.claim_job(
                connection, owner=owner, lease_ends_at=now + lease_ms, now=now
            )
        return job_from(row) if row else None

    def renew(self, job: Job, lease_ms: int, now: int) -> None:
        """Move the end of the lease to `now + lease_ms`.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("renew_job", job, lease_ends_at=now + lease_ms)

    def advance(self, job: Job, phase: Phase, step: int, progress: int) -> None:
        """Tell how far the render is: finished denoising steps, and percent of the whole.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("advance_job", job, phase=phase, step=step, progress=progress)

    def finish(self, job: Job, video: Video, now: int) -> None:
        """Record the render and owe its video to the object storage, in one transaction.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        queries = self.database.queries
        with self.database.writing() as connection:
            if queries.finish_job(connection, job_id=job.job_id, fence=job.fence, now=now) is None:
                raise LeaseLost
            queries.owe_video(
                connection,
                job_id=job.job_id,
                key=job.object_key,
                path=str(video.path),
                size_bytes=video.size_bytes,
                sha256=video.sha256,
                now=now,
            )
        self.ring("outbox")

    def release(self, job: Job, now: int) -> None:
        """Give the job back unfinished; it keeps its place and counts against nothing.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("release_job", job, now=now)
        self.ring("jobs")

    def fail(self, job: Job, error_code: str, error: str, now: int) -> None:
        """End the job: trying again would end the same way.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("fail_job", job, error_code=error_code, error=error, now=now)

    def retry(self, job: Job, error_code: str, error: str, due_at: int, now: int) -> State:
        """Put the job back to be due at `due_at`, or end it when it has failed too often.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        queries = self.database.queries
        what = {"job_id": job.job_id, "fence": job.fence, "error_code": error_code, "error": error}
        with self.database.writing() as connection:
            again = queries.retry_job(
                connection, **what, due_at=due_at, failure_limit=FAILURE_LIMIT, now=now
            )
            if again is not None:
                return State.QUEUED
            if queries.fail_job(connection, **what, now=now) is None:
                raise LeaseLost
            return State.FAILED

    def rescue(self, dead_owners: Iterable[str], now: int) -> list[Job]:
        """Take back the jobs of dead owners and those whose lease has run out."""
        with self.database.writing() as connection:
            rows = self.database.queries.rescue_jobs(
                connection,
                dead_owners=json.dumps(list(dead_owners)),
                crash_limit=CRASH_LIMIT,
                now=now,
            )
            return [job_from(row) for row in list(rows)]

    def find(self, job_id: str) -> Job | None:
        """Look a job up."""
        with self.database.reading() as connection:
            row = self.database.queries.job_by_id(connection, job_id=job_id)
        return job_from(row) if row else None

    def position(self, job_id: str) -> int | None:
        """Count from 1 among the queued; None for a job that does not wait."""
        with self.database.reading() as connection:
            row = self.database.queries.queue_position(connection, job_id=job_id)
        return row["position"] if row else None

    def _move(self, statement: str, job: Job, **values: object) -> None:
        move = getattr(self.database.queries, statement)
        with self.database.writing() as connection:
            if move(connection, job_id=job.job_id, fence=job.fence, **values) is None:
                raise LeaseLost


def job_from(row: Mapping[str, Any]) -> Job:
    """Read a job out of its row."""
    return Job(
        job_id=row["job_id"],
        state=State(row["state"]),
        request=Request.model_validate_json(row["request"]),
        attempt=row["attempt"],
        fence=row["fence"],
        progress=row["progress"],
        phase=Phase(row["phase"]) if row["phase"] else None,
        step=row["step"],
        accepted_at=row["accepted_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        error_code=row["error_code"],
        error=row["error"],
    )
