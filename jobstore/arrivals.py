"""How a request becomes a job, and how it is known again if it comes once more.

With an idempotency key, the caller says so. Without, a client library that heard no answer sends
its request again by itself: then it gets the job that it does not know of, once.
"""

from collections.abc import Mapping
from typing import Any

from jobstore.errors import KeyBusy, KeyQueueFull, KeyReused, QueueFull
from jobstore.failpoints import failpoint
from jobstore.job import Arrival, Limits

RETRIED_MS = 900_000  # how long a client library may take to send a request again

Row = Mapping[str, Any]


def take_in(queries: Any, connection: Any, arrival: Arrival, now: int) -> tuple[Row, bool]:
    """Make a job of a request, inside a transaction, or find the one that it was made before.

    Returns:
        The job's row, and whether it is new.

    Raises:
        KeyReused: another request came with this idempotency key.
    """
    unread_hash = None if arrival.idempotency_key else arrival.request_hash
    if arrival.retried and unread_hash:
        row = unread(queries, connection, arrival, now)
        if row:
            return row, False
    row = queries.accept_job(
        connection,
        job_id=arrival.job_id,
        request=arrival.request.model_dump_json(),
        shape=arrival.request.shape,
        steps=arrival.request.steps,
        source=arrival.source,
        key_id=arrival.key_id,
        idempotency_key=arrival.idempotency_key,
        request_hash=arrival.request_hash if arrival.idempotency_key else None,
        unread_hash=unread_hash,
        remix_of=arrival.remix_of,
        priority=arrival.priority,
        webhook_url=arrival.webhook_url,
        now=now,
    )
    failpoint("accept.inserted")
    if row:
        return row, True
    row = queries.job_by_idempotency_key(
        connection, key_id=arrival.key_id, idempotency_key=arrival.idempotency_key
    )
    if row["request_hash"] != arrival.request_hash:
        raise KeyReused
    return row, False


def unread(queries: Any, connection: Any, arrival: Arrival, now: int) -> Row | None:
    """Give out the newest job of the same content whose id nobody knows; each one only once."""
    same = {"key_id": arrival.key_id, "unread_hash": arrival.request_hash}
    while found := queries.newest_unread(connection, since=now - RETRIED_MS, **same):
        row: Row | None = queries.read_job(connection, job_id=found["job_id"])
        if row:  # else somebody else was given it just now
            return row
    return None


def hold(queries: Any, connection: Any, key_id: str, limits: Limits) -> None:
    """Refuse the job that was just made, inside its transaction, if it is one too many.

    Raises:
        QueueFull: too much waits, or too much of this key waits or is being rendered.
    """
    if queries.count_queued(connection)["queued"] > limits.queued:
        raise QueueFull
    if limits.key_queued is None and limits.key_running is None:
        return
    live = queries.count_of_key(connection, key_id=key_id)
    if limits.key_queued is not None and live["queued"] > limits.key_queued:
        raise KeyQueueFull
    if limits.key_running is not None and live["running"] >= limits.key_running:
        raise KeyBusy
