"""What people ask of the store; none of it slows down with the history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from jobstore.database import Database
from jobstore.job import Event, Job, Phase, Request, Upload, Video, Webhook
from jobstore.moves import State

PACES = 5  # renders that an estimate looks back on
NEWEST = 2**62  # above every seq


@dataclass(frozen=True)
class Backlog:
    """What waits.

    When the oldest queued job came, how many deliveries are owed, how many of those have failed at
    least once, and how many webhooks were given up.
    """

    oldest_accepted_at: int | None
    owed: int
    failing: int
    untold: int


@dataclass(frozen=True)
class Views:
    """Questions to one store."""

    database: Database

    def find(self, job_id: str) -> Job | None:
        """Look a job up, also one that is buried."""
        with self.database.reading() as connection:
            row = self.database.queries.job_by_id(connection, job_id=job_id)
        return job_from(row) if row else None

    def next_due(self, now: int) -> Job | None:
        """Look which job would be claimed next; somebody else may still get it."""
        with self.database.reading() as connection:
            row = self.database.queries.next_job(connection, now=now)
        return job_from(row) if row else None

    def position(self, job_id: str) -> int | None:
        """Count from 1 among the queued; None for a job that does not wait."""
        with self.database.reading() as connection:
            row = self.database.queries.queue_position(connection, job_id=job_id)
        return row["position"] if row else None

    def counts(self, ended_since: int) -> dict[State, int]:
        """Count the jobs in each state; of those that have ended, the ones since a moment."""
        queries = self.database.queries
        with self.database.reading() as connection:
            rows = [*queries.count_live(connection)]
            rows += queries.count_ended(connection, since=ended_since)
        return dict.fromkeys(State, 0) | {State(row["state"]): row["jobs"] for row in rows}

    def backlog(self) -> Backlog:
        """Tell how much waits, and for how long."""
        queries = self.database.queries
        with self.database.reading() as connection:
            row = queries.backlog(connection)
        return Backlog(row["oldest_accepted_at"], row["owed"], row["failing"], row["untold"])

    def in_hand(self, host: str) -> tuple[int, int]:
        """Count the jobs that a machine renders, and the videos that it has still to deliver."""
        with self.database.reading() as connection:
            row = self.database.queries.in_hand(connection, host=host)
        return row["rendering"], row["undelivered"]

    def owed_by(self, host: str, soon: int) -> int:
        """Count what a machine delivers, or has to until a moment that comes soon."""
        with self.database.reading() as connection:
            row = self.database.queries.owed_by(connection, host=host, soon=soon)
        return int(row["owed"])

    def page(
        self,
        most: int,
        after: int | None = None,
        states: Sequence[State] = (),
        key_id: str | None = None,
        *,
        oldest_first: bool = False,
    ) -> list[Job]:
        """List jobs, the newest or the oldest first, from behind a cursor (`seq`).

        Only those of a key, if one is named. Only those in `states`, if any are named; in the order
        in which a job goes through them, so that one that moves on meanwhile is not missed.
        """
        way = "after" if oldest_first else "before"
        asked: dict[str, object] = {"most": most}
        asked["seq"] = (0 if oldest_first else NEWEST) if after is None else after
        kind = "jobs"
        if key_id is not None:
            kind, asked["key_id"] = "jobs_of_key", key_id
        with self.database.reading() as connection:
            if not states:
                list_all = getattr(self.database.queries, f"{kind}_{way}")
                return [job_from(row) for row in list_all(connection, **asked)]
            in_state = getattr(self.database.queries, f"{kind}_in_state_{way}")
            rows = [row for state in states for row in in_state(connection, state=state, **asked)]
        found = {row["seq"]: job_from(row) for row in rows}
        return [found[seq] for seq in sorted(found, reverse=not oldest_first)][:most]

    def video(self, job_id: str) -> Video | None:
        """Tell where the rendered video of a job lies, or lay, and its size and hash."""
        with self.database.reading() as connection:
            row = self.database.queries.video_of(connection, job_id=job_id)
        if row is None:
            return None
        delivered = row["state"] == "delivered"
        return Video.at(row["path"], row["size_bytes"], row["sha256"], delivered=delivered)

    def upload(self, job_id: str) -> Upload | None:
        """Tell how the delivery of a rendered video goes."""
        with self.database.reading() as connection:
            row = self.database.queries.upload_of(connection, job_id=job_id)
        if row is None:
            return None
        due_at = row["due_at"] if row["state"] == "owed" and row["due_at"] else None
        return Upload(row["size_bytes"], row["sent_bytes"], row["attempt"], due_at)

    def find_by_key(self, key_id: str, idempotency_key: str) -> Job | None:
        """Look up the job that came with an idempotency key."""
        asked = {"key_id": key_id, "idempotency_key": idempotency_key}
        with self.database.reading() as connection:
            row = self.database.queries.job_by_idempotency_key(connection, **asked)
        return job_from(row) if row else None

    def living_of_source(self, key_id: str, prefix: str) -> dict[str, str]:
        """List the jobs of a key that have not ended and whose source begins so: source and id."""
        with self.database.reading() as connection:
            found = self.database.queries.living_of_source(
                connection, key_id=key_id, source=f"{prefix}%"
            )
            rows = list(found)
        return {row["source"]: row["job_id"] for row in rows}

    def queued_ids(self) -> set[str]:
        """List the ids of all that are queued."""
        with self.database.reading() as connection:
            return {row["job_id"] for row in self.database.queries.queued_ids(connection)}

    def webhook(self, job_id: str) -> Webhook | None:
        """Tell how the webhook of a job goes; None before the job has ended, and without one."""
        with self.database.reading() as connection:
            row = self.database.queries.webhook_of(connection, job_id=job_id)
        return webhook_from(row) if row else None

    def webhooks(
        self, most: int, state: str, after: int | None = None, key_id: str | None = None
    ) -> list[Webhook]:
        """List the webhooks of a state, of one key if it is named, from behind a cursor (`seq`)."""
        queries = self.database.queries
        asked = {"state": state, "seq": NEWEST if after is None else after, "most": most}
        with self.database.reading() as connection:
            if key_id is None:
                rows = list(queries.webhooks_before(connection, **asked))
            else:
                rows = list(queries.webhooks_of_key_before(connection, key_id=key_id, **asked))
        return [webhook_from(row) for row in rows]

    def history(self, job_id: str) -> list[Event]:
        """List the changes of state of a job, the first one first."""
        with self.database.reading() as connection:
            rows = list(self.database.queries.job_history(connection, job_id=job_id))
        return [Event(State(row["state"]), row["fence"], row["at"]) for row in rows]

    def eta_s(self, job_id: str) -> float | None:
        """Estimate the seconds until a queued or running job is rendered.

        The steps that stand before its end, each as long as in the last renders of its shape; what
        waits is shared by the renderers at work. None for any other job, and while nothing of some
        shape has been rendered yet. Loading, decoding and the upload are not in it.
        """
        queries = self.database.queries
        before = own = 0.0
        with self.database.reading() as connection:
            rows = list(queries.steps_to_go(connection, job_id=job_id))
            for row in rows:
                paces = list(queries.recent_paces(connection, shape=row["shape"], most=PACES))
                if not paces:
                    return None
                took_s = row["steps"] * median(pace["step_ms"] for pace in paces) / 1000
                own, before = (own + took_s, before) if row["mine"] else (own, before + took_s)
        running = sum(row["running"] for row in rows)
        return before / max(1, running) + own if rows else None


def job_from(row: Mapping[str, Any]) -> Job:
    """Read a job out of its row."""
    return Job(
        seq=row["seq"],
        job_id=row["job_id"],
        state=State(row["state"]),
        request=request_from(row["request"]),
        key_id=row["key_id"],
        retry_of=row["retry_of"],
        remix_of=row["remix_of"],
        priority=row["priority"],
        attempt=row["attempt"],
        failures=row["failures"],
        crashes=row["crashes"],
        fence=row["fence"],
        progress=row["progress"],
        spent_ms=row["spent_ms"],
        phase=Phase(row["phase"]) if row["phase"] else None,
        step=row["step"],
        accepted_at=row["accepted_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        deleted_at=row["deleted_at"],
        expired_at=row["expired_at"],
        cancel_requested=bool(row["cancel_requested"]),
        error_code=row["error_code"],
        error=row["error"],
        unread=row["unread_hash"] is not None,
        webhook_url=row["webhook_url"],
    )


def webhook_from(row: Mapping[str, Any]) -> Webhook:
    """Read a webhook out of its row."""
    waits = row["state"] == "owed" and row["due_at"] > 0
    return Webhook(
        seq=row["seq"],
        job_id=row["job_id"],
        state=row["state"],
        attempts=row["attempt"],
        error=row["error"],
        next_at=row["due_at"] if waits else None,
    )


def request_from(text: str) -> Request:
    """Read a request out of its row: it was checked when it was written, and is read often."""
    return Request.model_construct(**json.loads(text))
