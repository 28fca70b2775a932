"""Every move of a job, each in one transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobstore.arrivals import hold, take_in
from jobstore.database import Database
from jobstore.errors import LeaseLost
from jobstore.failpoints import failpoint
from jobstore.job import Arrival, Job, Limits, Phase, Video
from jobstore.moves import AT_AN_END, State
from jobstore.views import job_from

CRASH_LIMIT = 3  # crashes without a step further than before, after which a job is given up
FAILURE_LIMIT = 3  # failures that may pass, after which a job is given up
STREAK_LIMIT = 2  # different jobs in a row that crashed a machine, after which it claims no more
STREAK_REST_MS = 600_000  # after which a machine that crashed so may try one more job


def is_last_try(job: Job) -> bool:
    """Tell whether a claimed job is given up if it crashes or fails once more."""
    return job.crashes + 1 >= CRASH_LIMIT or job.failures + 1 >= FAILURE_LIMIT


@dataclass(frozen=True)
class Jobs:
    """The jobs of one store.

    Moves of a claim take the claimed job itself: its fence says whether the claim still stands.
    """

    database: Database

    def accept(self, arrival: Arrival, now: int, limits: Limits | None = None) -> tuple[Job, bool]:
        """Take a job in, for good: once this returns, the job survives a power cut.

        Returns:
            The job, and whether it is new: the same request with the same idempotency key gives
            the job that is there already, as does one that is `retried` of its own accord.

        Raises:
            KeyReused: another request came with this idempotency key.
            QueueFull: it is a new job, and one too many.
        """
        queries = self.database.queries
        with self.database.writing("jobs", "changes") as connection:
            row, new = take_in(queries, connection, arrival, now)
            if new and limits:
                hold(queries, connection, arrival.key_id, limits)
        return job_from(row), new

    def read(self, jobs: Iterable[Job]) -> None:
        """Note that the caller of these jobs knows of them: none is given out for a retry now."""
        unread = [job.job_id for job in jobs if job.unread]
        if unread:
            with self.database.writing() as connection:
                for job_id in unread:
                    self.database.queries.read_job(connection, job_id=job_id)

    def claim(self, owner: str, host: str, lease_ms: int, now: int) -> Job | None:
        """Give the oldest due job of the highest priority to `owner` on `host`, for `lease_ms`.

        A machine on which different jobs crashed one after the other gets none for ten minutes; one
        that is drained gets none.
        """
        with self.database.writing("changes") as connection:
            row = self.database.queries.claim_job(
                connection,
                owner=owner,
                host=host,
                lease_ends_at=now + lease_ms,
                streak_limit=STREAK_LIMIT,
                rested_at=now - STREAK_REST_MS,
                now=now,
            )
            failpoint("claim.taken")
        failpoint("claim.committed")
        return job_from(row) if row else None

    def renew(self, job: Job, lease_ms: int, now: int, spent_ms: int = 0) -> bool:
        """Move the end of the lease to `now + lease_ms`; answers whether to stop the job.

        `spent_ms` is how long the job was rendered so far, earlier claims included.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        ends_at = now + lease_ms
        row = self._move("renew_job", job, lease_ends_at=ends_at, spent_ms=spent_ms)
        return bool(row["cancel_requested"])

    def advance(
        self, job: Job, phase: Phase, step: int, progress: int, *, began_at: int = 0
    ) -> bool:
        """Tell how far the render is; answers whether to stop the job.

        Args:
            job: the claim.
            phase: what it is at.
            step: finished denoising steps.
            progress: percent of the whole; the job never goes back behind what was told before.
            began_at: the step of the checkpoint that the claim goes on from. While it stands there
                it has finished none itself: should it crash, the crash counts.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        queries = self.database.queries
        with self.database.writing("changes") as connection:
            row = queries.advance_job(
                connection,
                job_id=job.job_id,
                fence=job.fence,
                phase=phase,
                step=step,
                reached=step if step > began_at else 0,
                progress=progress,
            )
            if row is None:
                raise LeaseLost
            if step > began_at:
                queries.calm_host(connection, host=row["lease_host"])
        return bool(row["cancel_requested"])

    def finish(self, job: Job, host: str, video: Video, step_ms: int | None, now: int) -> None:
        """Record the render and owe its video to the object storage, in one transaction.

        Args:
            job: the claim.
            host: the machine on whose disk the video lies.
            video: what was rendered.
            step_ms: how long a denoising step took, in milliseconds; None if none was measured.
            now: the time.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        queries = self.database.queries
        with self.database.writing("outbox", "changes") as connection:
            claim = {"job_id": job.job_id, "fence": job.fence}
            if queries.finish_job(connection, **claim, step_ms=step_ms, now=now) is None:
                raise LeaseLost
            failpoint("finish.rendered")
            queries.owe_video(
                connection,
                job_id=job.job_id,
                host=host,
                key=job.object_key,
                path=str(video.path),
                size_bytes=video.size_bytes,
                sha256=video.sha256,
            )
            failpoint("finish.owed")
        failpoint("finish.committed")

    def release(self, job: Job, now: int) -> None:
        """Give the job back unfinished; it keeps its place and counts against nothing.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("release_job", job, "jobs", *AT_AN_END, now=now)

    def fail(self, job: Job, error_code: str, error: str, now: int) -> None:
        """End the job: trying again would end the same way.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._move("fail_job", job, *AT_AN_END, error_code=error_code, error=error, now=now)

    def postpone(self, job: Job, error_code: str, error: str, due_at: int, now: int) -> State:
        """Put the job back to be due at `due_at`, or end it: failed too often, or to be cancelled.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        queries = self.database.queries
        what = {"job_id": job.job_id, "fence": job.fence, "error_code": error_code, "error": error}
        with self.database.writing(*AT_AN_END) as connection:
            again = queries.postpone_job(
                connection, **what, due_at=due_at, failure_limit=FAILURE_LIMIT, now=now
            )
            if again is not None:
                return State.QUEUED
            claim = {"job_id": job.job_id, "fence": job.fence}
            if queries.stop_job(connection, **claim, now=now) is not None:
                return State.CANCELLED
            if queries.fail_job(connection, **what, now=now) is None:
                raise LeaseLost
            return State.FAILED

    def cancel(self, job_id: str, now: int) -> Job | None:
        """End a queued job, ask the holder of a processing one to stop; None for any other."""
        with self.database.writing(*AT_AN_END) as connection:
            row = self.database.queries.cancel_job(connection, job_id=job_id, now=now)
        return job_from(row) if row else None

    def stop(self, job: Job, now: int) -> None:
        """End a claimed job that was asked to be cancelled.

        Raises:
            LeaseLost: the claim does not stand any more, or nobody asked.
        """
        self._move("stop_job", job, *AT_AN_END, now=now)

    def rescue(self, dead_owners: Iterable[str], now: int) -> list[Job]:
        """Take back the jobs of dead owners and those whose lease has run out."""
        with self.database.reading() as connection:
            orphans = {
                row["job_id"]: (row, owner)
                for owner in ("", *dead_owners)
                for row in self.database.queries.orphaned_jobs(
                    connection, dead_owner=owner, now=now
                )
            }
        able = frozenset(row["lease_owner"] for row, _ in orphans.values() if row["stepped"])
        return [job for orphan in orphans.values() if (job := self._rescue(*orphan, able, now))]

    def repeat(
        self, job_id: str, again_id: str, now: int, limits: Limits | None = None
    ) -> Job | None:
        """Retry by hand: a new job that asks for the same; None unless the old one has ended.

        While an earlier retry of it lives, that one is answered, and no other is made.

        Raises:
            QueueFull: it is one too many.
        """
        queries = self.database.queries
        with self.database.writing("jobs", "changes") as connection:
            row = queries.repeat_job(connection, job_id=job_id, again_id=again_id, now=now)
            if row and limits:
                hold(queries, connection, row["key_id"], limits)
            row = row or queries.living_retry(connection, job_id=job_id)
        return job_from(row) if row else None

    def delete(self, job_id: str, now: int) -> Job | None:
        """Bury a job that has ended, and owe the removal of its object; None for any other.

        That of a video that has expired is owed already.
        """
        with self.database.writing("outbox") as connection:
            row = self.database.queries.bury_job(connection, job_id=job_id, now=now)
            failpoint("delete.buried")
            if row and row["expired_at"] is None:
                self.database.queries.owe_removal(connection, job_id=job_id)
                self.database.queries.drop_video(connection, job_id=job_id)
        return job_from(row) if row else None

    def is_resting(self, host: str, now: int) -> bool:
        """Tell whether a machine gets no jobs because different ones crashed there in a row."""
        with self.database.reading() as connection:
            row = self.database.queries.host_streak(connection, host=host)
        return bool(
            row and row["streak"] >= STREAK_LIMIT and row["crashed_at"] > now - STREAK_REST_MS
        )

    def _rescue(
        self, orphan: Mapping[str, Any], dead_owner: str, able: frozenset[str], now: int
    ) -> Job | None:
        """Rescue a job; no crash is the machine's if its renderer was `able` to finish a step."""
        queries = self.database.queries
        with self.database.writing("jobs", *AT_AN_END) as connection:
            row = queries.rescue_job(
                connection,
                job_id=orphan["job_id"],
                fence=orphan["fence"],
                dead_owner=dead_owner,
                crash_limit=CRASH_LIMIT,
                now=now,
            )
            failpoint("rescue.taken")
            if row and orphan["lease_owner"] not in able and not row["stepped"]:
                queries.crash_host(
                    connection, host=orphan["lease_host"], crashed_id=orphan["job_id"], now=now
                )
        return job_from(row) if row else None

    def _move(self, statement: str, job: Job, *wakes: str, **values: object) -> dict[str, int]:
        move = getattr(self.database.queries, statement)
        with self.database.writing(*wakes) as connection:
            row: dict[str, int] | None = move(
                connection, job_id=job.job_id, fence=job.fence, **values
            )
        if row is None:
            raise LeaseLost
        return row
