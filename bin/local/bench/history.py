"""A store with a long history: jobs that have ended, with their events and their outbox rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pysqlite3 import dbapi2 as driver

from local.bench.ours import HOST, REQUEST, SHA256

CHUNK = 20_000  # jobs per transaction, so that Ctrl-C is not kept waiting
EVENTS = ("queued", "processing", "rendered", "completed")
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'jobs'"
SCHEMA = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"

NUMBERS = """WITH RECURSIVE numbers (n) AS (
    SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
) """
JOB_ID = "printf('01H%023d', n)"  # older than any ULID that is made today

JOBS = f"""INSERT INTO jobs (job_id, state, request, shape, steps, source, key_id, priority,
    due_at, attempt, fence, stepped, step, step_ms, progress, accepted_at, changed_at, started_at,
    ended_at)
{NUMBERS}SELECT {JOB_ID}, 'completed', :request, :shape, 50, 'bench', 'main', 0, n,
    1, 1, 1, 50, 500, 100, n, n + 3, n + 1, n + 3
FROM numbers"""

JOB_EVENTS = f"""INSERT INTO job_events (job_id, state, fence, at)
{NUMBERS}SELECT {JOB_ID}, :state, min(:step, 1), n + :step FROM numbers"""

OUTBOX = f"""INSERT INTO outbox (job_id, kind, state, host, key, path, size_bytes, sha256, due_at,
    attempt, fence, delivered_at)
{NUMBERS}SELECT {JOB_ID}, 'video', 'delivered', :host, 'videos/' || n, 'outputs/' || n, 1000000,
    :sha256, n + 2, 1, 1, n + 3
FROM numbers"""


def job_id(number: int) -> str:
    """Name one job of the history."""
    return f"01H{number:023d}"


def write_history(path: Path, jobs: int) -> None:
    """Fill a store that is closed with completed jobs, numbered from 1.

    The triggers on jobs, which would not let a job start at its end, are away meanwhile.
    """
    connection = driver.connect(str(path), isolation_level=None)
    for pragma in ("synchronous = OFF", "cache_size = -200000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    before = connection.execute(SCHEMA).fetchall()
    with without_triggers(connection):
        for first in range(1, jobs + 1, CHUNK):
            write_chunk(connection, {"first": first, "last": min(jobs, first + CHUNK - 1)})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    after = connection.execute(SCHEMA).fetchall()
    connection.close()
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # or the flushes that are measured would pay for it
    if before != after:
        message = f"the schema of {path} is not what it was"
        raise RuntimeError(message)


def write_chunk(connection: driver.Connection, numbers: dict[str, int]) -> None:
    """Write some jobs with all that belongs to them, in the order in which it would have come."""
    connection.execute("BEGIN")
    connection.execute(
        JOBS, {**numbers, "request": REQUEST.model_dump_json(), "shape": REQUEST.shape}
    )
    for step, state in enumerate(EVENTS):
        connection.execute(JOB_EVENTS, {**numbers, "state": state, "step": step})
    connection.execute(OUTBOX, {**numbers, "host": HOST, "sha256": SHA256})
    connection.execute("COMMIT")


@contextmanager
def without_triggers(connection: driver.Connection) -> Iterator[None]:
    """Take the triggers on jobs away, and put them back in the end."""
    triggers = connection.execute(TRIGGERS).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    yield
    for _, statement in triggers:
        connection.execute(statement)
