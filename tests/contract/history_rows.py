"""The rows of the job store as a history knows them, field by field as in the tables."""

from dataclasses import dataclass


@dataclass
class JobRow:
    """A job, field by field as in the table."""

    job_id: str
    priority: int
    due_at: int
    accepted_at: int
    changed_at: int
    idempotency_key: str | None = None
    request_hash: str | None = None
    unread_hash: str | None = None
    retry_of: str | None = None
    webhook_url: str | None = None
    state: str = "queued"
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    fence: int = 0
    stepped: int = 0
    best_step: int = 0
    cancel_requested: int = 0
    lease_owner: str | None = None
    lease_host: str | None = None
    lease_ends_at: int | None = None
    phase: str | None = None
    step: int = 0
    step_ms: int | None = None
    progress: int = 0
    spent_ms: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    deleted_at: int | None = None
    expired_at: int | None = None
    error_code: str | None = None
    error: str | None = None


@dataclass
class DebtRow:
    """A row of the outbox, field by field as in the table."""

    job_id: str
    kind: str
    host: str
    due_at: int
    path: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    state: str = "owed"
    attempt: int = 0
    fence: int = 0
    lease_owner: str | None = None
    lease_ends_at: int | None = None
    error: str | None = None
    delivered_at: int | None = None
    sent_bytes: int = 0


@dataclass
class HostRow:
    """How many different jobs in a row crashed a machine."""

    host: str
    crashed_id: str
    crashed_at: int
    streak: int


@dataclass
class DrainRow:
    """A machine that claims no more."""

    host: str
    reason: str
    at_once: int
    since: int


@dataclass(frozen=True)
class Claim:
    """The right to one job or one debt, as its holder remembers it."""

    job_id: str
    fence: int
    kind: str = "job"
