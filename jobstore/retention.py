"""The moves of what has grown old: videos expire, ended jobs are forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobstore.database import Database
from jobstore.failpoints import failpoint

MOST = 100


@dataclass(frozen=True)
class Output:
    """What the store knows of the videos of a job on the disk.

    `state` is that of its row in the outbox, None if there is none; `ended_at` None while the job
    has not ended.
    """

    ended_at: int | None
    state: str | None
    delivered_at: int | None


@dataclass(frozen=True)
class Retention:
    """What has grown old in one store; each move is short, so that nobody waits for it."""

    database: Database

    def expirable(self, ended_before: int, most: int = MOST) -> dict[str, int]:
        """List jobs whose video is kept no longer, with its size in bytes, the oldest first."""
        with self.database.reading() as connection:
            rows = list(
                self.database.queries.expirable_jobs(
                    connection, ended_before=ended_before, most=most
                )
            )
        return {row["job_id"]: row["size_bytes"] for row in rows}

    def expire(self, job_id: str, now: int) -> bool:
        """End the keeping of a video, and owe its removal; tells whether there was one to end.

        While anything is owed for the job, it is left.
        """
        queries = self.database.queries
        with self.database.writing("outbox", "changes") as connection:
            row = queries.expire_job(connection, job_id=job_id, now=now)
            failpoint("prune.expired")
            if row:
                queries.owe_removal(connection, job_id=job_id)
                failpoint("prune.owed")
                queries.drop_video(connection, job_id=job_id)
        return row is not None

    def prunable(self, ended_before: int, buried_before: int, most: int = MOST) -> list[str]:
        """List the jobs that `prune` would forget."""
        with self.database.reading() as connection:
            return self._prunable(connection, ended_before, buried_before, most)

    def prune(self, ended_before: int, buried_before: int = 0, most: int = MOST) -> list[str]:
        """Forget jobs that ended, or were deleted, long ago; answers which, at most `most`.

        One that owes something, or whose video is kept, is none of them.
        """
        if not self.prunable(ended_before, buried_before, most=1):
            return []
        queries = self.database.queries
        with self.database.writing() as connection:
            job_ids = self._prunable(connection, ended_before, buried_before, most)
            for job_id in job_ids:
                queries.prune_events(connection, job_id=job_id)
                failpoint("prune.events")
                queries.prune_outbox(connection, job_id=job_id)
                failpoint("prune.outbox")
                queries.prune_job(connection, job_id=job_id)
                failpoint("prune.job")
        failpoint("prune.committed")
        return job_ids

    def image_left_at(self, image: str) -> int | None:
        """Tell when the last job that starts from a picture ended.

        None if there is no such job. As long as one lives it is a moment that never comes.
        """
        with self.database.reading() as connection:
            row = self.database.queries.last_of_image(connection, image=image)
        return row["left_at"] if row else None

    def output(self, job_id: str) -> Output | None:
        """Tell what has become of the video of a job; None if there is no such job."""
        with self.database.reading() as connection:
            row: Mapping[str, Any] | None = self.database.queries.output_of(
                connection, job_id=job_id
            )
        return Output(row["ended_at"], row["state"], row["delivered_at"]) if row else None

    def _prunable(
        self, connection: object, ended_before: int, buried_before: int, most: int
    ) -> list[str]:
        queries = self.database.queries
        rows = list(queries.prunable_jobs(connection, ended_before=ended_before, most=most))
        rows += queries.prunable_tombs(connection, buried_before=buried_before, most=most)
        return list(dict.fromkeys(row["job_id"] for row in rows))[:most]
