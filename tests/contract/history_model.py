"""The job store as a few lists in memory: what every move does, and who is refused."""

from collections.abc import Iterable
from dataclasses import dataclass

from contract_shop import SHA
from history_ages import Rows
from history_rows import Claim, DebtRow, HostRow, JobRow
from jobstore.arrivals import RETRIED_MS
from jobstore.errors import KeyReused, LeaseLost
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT, STREAK_LIMIT, STREAK_REST_MS
from jobstore.moves import TERMINAL, State

CRASHED = "The renderer crashed each time it started this job, so it was given up."


@dataclass
class Model(Rows):
    """The store as it should be."""

    def stands(self, claim: Claim) -> bool:
        """Tell whether a claim, of a job or of what is owed, is still its holder's."""
        try:
            _ = self._held(claim) if claim.kind == "job" else self._owed(claim)
        except LeaseLost:
            return False
        return True

    def accept(self, row: JobRow, *, retried: bool = False) -> str:
        since = row.accepted_at - RETRIED_MS
        for job in reversed(self.jobs if retried and row.unread_hash else []):
            if job.unread_hash == row.unread_hash and job.accepted_at > since:
                self.read(job.job_id)
                return job.job_id
        for job in self.jobs:
            if row.idempotency_key and job.idempotency_key == row.idempotency_key:
                if job.request_hash != row.request_hash:
                    raise KeyReused
                return job.job_id
        self.jobs.append(row)
        self.events[row.job_id] = [("queued", 0, row.changed_at)]
        return row.job_id

    def read(self, job_id: str) -> None:
        job = self.job(job_id)
        if job:
            job.unread_hash = None

    def claim(self, owner: str, host: str, ends_at: int, now: int) -> Claim | None:
        due = [job for job in self.jobs if job.state == "queued" and job.due_at <= now]
        if self.is_resting(host, now) or host in self.drains or not due:
            return None
        job = max(due, key=lambda job: job.priority)  # the first of the highest
        job.attempt, job.fence, job.stepped = job.attempt + 1, job.fence + 1, 0
        job.lease_owner, job.lease_host, job.lease_ends_at = owner, host, ends_at
        job.started_at = now if job.started_at is None else job.started_at
        self._move(job, State.PROCESSING, now)
        job.phase = "encoding_prompt"
        return Claim(job.job_id, job.fence)

    def is_resting(self, host: str, now: int) -> bool:
        row = self.hosts.get(host)
        return bool(row and row.streak >= STREAK_LIMIT and row.crashed_at > now - STREAK_REST_MS)

    def renew(self, claim: Claim, ends_at: int, spent_ms: int) -> bool:
        job = self._held(claim)
        job.spent_ms = max(job.spent_ms, spent_ms)
        job.lease_ends_at = ends_at
        return bool(job.cancel_requested)

    def advance(self, claim: Claim, step: int, progress: int) -> bool:
        job = self._held(claim)
        job.phase, job.step = "denoising", step
        job.progress = max(job.progress, progress)
        if step > job.best_step:
            job.stepped, job.best_step = 1, step
        if step and job.lease_host in self.hosts:
            self.hosts[job.lease_host].streak = 0
        return bool(job.cancel_requested)

    def finish(self, claim: Claim, host: str, path: str, now: int) -> None:
        job = self._held(claim)
        self._move(job, State.RENDERED, now)
        job.phase, job.step_ms = "uploading", 500
        job.error_code = job.error = None
        self.debts.append(DebtRow(job.job_id, "video", host, 0, path, 1000, SHA))

    def release(self, claim: Claim, now: int) -> None:
        job = self._held(claim)
        self._move(job, State.CANCELLED if job.cancel_requested else State.QUEUED, now)

    def fail(self, claim: Claim, now: int) -> None:
        job = self._held(claim)
        self._move(job, State.FAILED, now)
        job.error_code, job.error = "image_lost", "gone"

    def postpone(self, claim: Claim, due_at: int, now: int) -> State:
        job = self._held(claim)
        if job.cancel_requested:
            self.stop(claim, now)
            return State.CANCELLED
        if job.failures + 1 < FAILURE_LIMIT:
            job.failures, job.due_at = job.failures + 1, due_at
            self._move(job, State.QUEUED, now)
        else:
            self.fail(claim, now)
        job.error_code, job.error = "render_failed", "broke"
        return State(job.state)

    def stop(self, claim: Claim, now: int) -> None:
        job = self._held(claim)
        if not job.cancel_requested:
            raise LeaseLost
        self._move(job, State.CANCELLED, now)

    def cancel(self, job_id: str, now: int) -> bool:
        job = self.job(job_id)
        if job is None or job.state not in {"queued", "processing"}:
            return False
        job.cancel_requested = 1
        if job.state == "queued":
            self._move(job, State.CANCELLED, now)
        return True

    def orphans(self, dead: Iterable[str], now: int) -> dict[str, tuple[Claim, str]]:
        """Find what may be taken back: which claim, and on whose account ("" is the clock)."""
        return {
            job.job_id: (Claim(job.job_id, job.fence), owner)
            for owner in ("", *dead)
            for job in self.jobs
            if _is_orphan(job, owner, now)
        }

    def able(self, claims: Iterable[Claim]) -> set[str | None]:
        """Find the owners of which any of these claims has finished a step."""
        jobs = [job for claim in claims if (job := self.job(claim.job_id))]
        return {job.lease_owner for job in jobs if job.stepped}

    def rescue(self, claim: Claim, dead: str, able: set[str | None], now: int) -> bool:
        job = self.job(claim.job_id)
        if job is None or job.fence != claim.fence or not _is_orphan(job, dead, now):
            return False
        host, crashed = job.lease_host or "", not job.stepped
        blamed = crashed and job.lease_owner not in able
        job.crashes += crashed
        job.fence += 1
        if job.cancel_requested:
            self._move(job, State.CANCELLED, now)
        elif job.crashes >= CRASH_LIMIT:
            self._move(job, State.FAILED, now)
            job.error_code, job.error = "renderer_crashed", CRASHED
        else:
            self._move(job, State.QUEUED, now)
        if blamed:
            row = self.hosts.setdefault(host, HostRow(host, "", now, 0))
            row.streak += not (row.streak and row.crashed_id == job.job_id)
            row.crashed_id, row.crashed_at = job.job_id, now
        return True

    def repeat(self, job_id: str, again_id: str, now: int) -> bool:
        if any(job.retry_of == job_id and job.state not in TERMINAL for job in self.jobs):
            return True
        job = self.job(job_id)
        if job is None or job.state not in TERMINAL or job.deleted_at is not None:
            return False
        again = JobRow(again_id, job.priority, 0, now, now, retry_of=job_id)
        again.webhook_url = job.webhook_url
        self.accept(again)
        return True

    def take(self, owner: str, host: str, ends_at: int, now: int, kind: str) -> Claim | None:
        due = [debt for debt in self.debts if debt.state == "owed" and debt.due_at <= now]
        under_way = {
            debt.job_id
            for debt in self.debts
            if debt.kind == "video" and debt.state in {"owed", "delivering"}
        }
        free = [debt for debt in due if debt.kind != "removal" or debt.job_id not in under_way]
        payable = [debt for debt in free if debt.host in {host, ""} and debt.kind == kind]
        debt = min(payable, key=_due_at, default=None)
        if debt is None:
            return None
        debt.state, debt.lease_owner, debt.lease_ends_at = "delivering", owner, ends_at
        debt.attempt, debt.fence = debt.attempt + 1, debt.fence + 1
        return Claim(debt.job_id, debt.fence, debt.kind)

    def renew_debt(self, claim: Claim, ends_at: int, sent_bytes: int) -> None:
        debt = self._owed(claim)
        debt.lease_ends_at, debt.sent_bytes = ends_at, sent_bytes

    def settle(self, claim: Claim, size_bytes: int | None, sha256: str | None, now: int) -> None:
        debt = self._owed(claim)
        debt.size_bytes, debt.sha256, debt.delivered_at = size_bytes, sha256, now
        _close(debt, "delivered", None)
        job = self.job(claim.job_id)
        if claim.kind == "video" and job and job.state == "rendered":
            self._move(job, State.COMPLETED, now)
            job.progress = 100

    def keep(self, claim: Claim, now: int) -> None:
        _close(self._owed(claim), "kept", None)
        job = self.job(claim.job_id)
        if job and job.state == "rendered":
            self._move(job, State.COMPLETED, now)
            job.progress = 100

    def owe_kept(self, host: str) -> None:
        for debt in self.debts:
            if debt.state == "kept" and debt.host == host:
                debt.state, debt.attempt, debt.due_at = "owed", 0, 0

    def hasten(self, host: str, most: int, now: int) -> None:
        late = [
            debt
            for debt in self.debts
            if (debt.state, debt.kind, debt.host) == ("owed", "video", host) and debt.due_at > now
        ]
        for debt in sorted(late, key=_due_at)[:most]:
            debt.due_at = 0

    def postpone_debt(self, claim: Claim, due_at: int) -> None:
        debt = self._owed(claim)
        debt.due_at, debt.sent_bytes = due_at, 0
        _close(debt, "owed", "S3 is away")

    def lose(self, claim: Claim, now: int) -> None:
        _close(self._owed(claim), "dead", "lost")
        job = self.job(claim.job_id)
        if claim.kind == "video" and job and job.state == "rendered":
            self._move(job, State.FAILED, now)
            job.error_code, job.error = "output_lost", "lost"

    def resend(self, job_id: str) -> bool:
        for debt in self.debts:
            if (debt.job_id, debt.kind) == (job_id, "webhook") and debt.state != "delivering":
                debt.state, debt.attempt, debt.due_at = "owed", 0, 0
                debt.error = debt.delivered_at = None
                return True
        return False

    def rescue_debts(self, dead: Iterable[str | None], now: int) -> list[str]:
        taken = [
            debt
            for debt in self.debts
            if debt.lease_ends_at is not None
            and (debt.lease_ends_at <= now or debt.lease_owner in dead)
        ]
        for debt in taken:
            debt.fence += 1
            _close(debt, "owed", debt.error)
        return sorted(debt.job_id for debt in taken)

    def _held(self, claim: Claim) -> JobRow:
        job = self.job(claim.job_id)
        if job is None or job.state != "processing" or job.fence != claim.fence:
            raise LeaseLost
        return job

    def _owed(self, claim: Claim) -> DebtRow:
        named = (claim.job_id, claim.kind, claim.fence, "delivering")
        for debt in self.debts:
            if (debt.job_id, debt.kind, debt.fence, debt.state) == named:
                return debt
        raise LeaseLost

    def _move(self, job: JobRow, state: State, now: int) -> None:
        job.state, job.changed_at, job.phase = str(state), now, None
        self.events[job.job_id].append((state, job.fence, now))
        if state is not State.PROCESSING:
            job.lease_owner = job.lease_host = job.lease_ends_at = None
        if state in TERMINAL:
            job.ended_at = now
            if job.webhook_url:
                self.debts.append(DebtRow(job.job_id, "webhook", "", 0))


def _is_orphan(job: JobRow, dead: str, now: int) -> bool:
    return job.lease_ends_at is not None and (job.lease_ends_at <= now or job.lease_owner == dead)


def _due_at(debt: DebtRow) -> int:
    return debt.due_at


def _close(debt: DebtRow, state: str, error: str | None) -> None:
    debt.state, debt.error = state, error
    debt.lease_owner = debt.lease_ends_at = None
