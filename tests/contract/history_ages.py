"""The rows of the model, and what becomes of old ones: deleted, expired, forgotten."""

from dataclasses import dataclass, field

from history_rows import DebtRow, DrainRow, HostRow, JobRow
from jobstore.moves import TERMINAL

DROPPED = "The job was deleted, or its video has expired."


@dataclass
class Rows:
    """Rows stand in the order they came."""

    jobs: list[JobRow] = field(default_factory=list)
    debts: list[DebtRow] = field(default_factory=list)
    hosts: dict[str, HostRow] = field(default_factory=dict)
    drains: dict[str, DrainRow] = field(default_factory=dict)
    events: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)

    def job(self, job_id: str) -> JobRow | None:
        return next((job for job in self.jobs if job.job_id == job_id), None)

    def begin_drain(self, row: DrainRow) -> bool:
        stands = self.drains.get(row.host)
        if stands and stands.at_once >= row.at_once:
            return False
        self.drains[row.host] = row
        return True

    def lift_drain(self, host: str, reason: str | None) -> bool:
        stands = self.drains.get(host)
        if stands is None or reason not in {stands.reason, None}:
            return False
        del self.drains[host]
        return True

    def delete(self, job_id: str, now: int) -> bool:
        job = self.job(job_id)
        if job is None or job.state not in TERMINAL or job.deleted_at is not None:
            return False
        job.deleted_at = now
        self._drop(job_id)
        return True

    def expire(self, job_id: str, now: int) -> bool:
        job = self.job(job_id)
        if job is None or job.state != "completed" or job_id in self._owing():
            return False
        if job.expired_at is not None or job.deleted_at is not None:
            return False
        job.expired_at = now
        self._drop(job_id)
        return True

    def prune(self, before: int, buried_before: int, most: int) -> int:
        owing = self._owing()
        free = [job for job in self.jobs if job.job_id not in owing]
        old = [
            (job.ended_at, place, job.job_id)
            for place, job in enumerate(free)
            if job.ended_at is not None
            and job.ended_at < before
            and (job.state != "completed" or job.expired_at is not None)
        ]
        buried = [
            (job.deleted_at, place, job.job_id)
            for place, job in enumerate(free)
            if job.deleted_at is not None and job.deleted_at < buried_before
        ]
        found = dict.fromkeys(job_id for _, _, job_id in sorted(old)[:most] + sorted(buried)[:most])
        gone = set(list(found)[:most])
        self.jobs = [job for job in self.jobs if job.job_id not in gone]
        self.debts = [debt for debt in self.debts if debt.job_id not in gone]
        for job_id in gone:
            del self.events[job_id]
        return len(gone)

    def _owing(self) -> set[str]:
        return {debt.job_id for debt in self.debts if debt.state in {"owed", "delivering"}}

    def _drop(self, job_id: str) -> None:
        """Owe the removal of a video, once; one that was owed is owed no more."""
        mine = [debt for debt in self.debts if debt.job_id == job_id]
        videos = [debt for debt in mine if debt.kind == "video"]
        if not any(debt.kind == "removal" for debt in mine):
            self.debts += [DebtRow(job_id, "removal", debt.host, 0) for debt in videos]
        for debt in videos:
            if debt.state in {"kept", "owed"}:
                debt.state, debt.error = "dead", DROPPED
