"""The schema itself refuses what may not be, whatever the code would like to write."""

import pytest

from contract_shop import LEASE_MS, SHA, Shop
from jobstore.drains import Drain, Reason
from jobstore.errors import MoveRefused
from jobstore.job import Video
from jobstore.moves import State

INSERT = (
    "INSERT INTO jobs (job_id, state, request, shape, steps, source, key_id, priority,"
    " due_at, accepted_at, changed_at{columns}) VALUES ('J2', '{state}', '{request}', 's', 9, 't',"
    " 'k', {priority}, 0, 0, 0{values})"
)
CLAIM = (
    "UPDATE jobs SET state = 'processing', lease_owner = 'A', lease_host = 'H', lease_ends_at = 1"
)


def insert(
    columns: str = "",
    values: str = "",
    state: str = "queued",
    request: str = "{}",
    priority: int = 0,
) -> str:
    return INSERT.format(
        columns=columns, values=values, state=state, request=request, priority=priority
    )


def run(shop: Shop, statement: str) -> None:
    with shop.store.database.writing() as connection:
        connection.execute(statement)


QUEUED = {
    "completed from the queue": "UPDATE jobs SET state = 'completed', progress = 100, ended_at = 1",
    "rendered from the queue": "UPDATE jobs SET state = 'rendered'",
    "failed from the queue": "UPDATE jobs SET state = 'failed', ended_at = 1,"
    " error_code = 'x', error = 'x'",
    "cancelled without an end": "UPDATE jobs SET state = 'cancelled'",
    "a fence below zero": "UPDATE jobs SET fence = -1",
    "a claim without a lease": "UPDATE jobs SET state = 'processing', fence = 1",
    "a claim that does not raise the fence": CLAIM,
    "a lease without a claim": "UPDATE jobs SET lease_owner = 'A', lease_host = 'H',"
    " lease_ends_at = 1",
    "a lease without an end": CLAIM.replace(", lease_ends_at = 1", ", fence = 1"),
    "a lease without a host": CLAIM.replace(", lease_host = 'H'", ", fence = 1"),
    "an end before the end": "UPDATE jobs SET ended_at = 1",
    "a tombstone on a living job": "UPDATE jobs SET deleted_at = 1",
    "another request": "UPDATE jobs SET request = '{}'",
    "another id": "UPDATE jobs SET job_id = 'J9'",
    "another date": "UPDATE jobs SET accepted_at = 5",
    "an unknown state": "UPDATE jobs SET state = 'paused'",
    "more than everything": "UPDATE jobs SET progress = 101",
    "less than nothing": "UPDATE jobs SET step = -1",
    "half a wish": "UPDATE jobs SET cancel_requested = 2",
    "a job that starts in the middle": insert(state="rendered"),
    "a job that starts at its end": insert(", ended_at", ", 1", state="cancelled"),
    "a request that is no JSON": insert(request="{"),
    "a key without a hash": insert(", idempotency_key", ", 'K'"),
    "a priority out of range": insert(priority=101),
    "a job twice": insert().replace("'J2'", "'J1'"),
    "an event of no job": "INSERT INTO job_events (job_id, state, fence, at)"
    " VALUES ('J9', 'queued', 0, 0)",
    "a debt of no job": "INSERT INTO outbox (job_id, kind, state, host, key, due_at)"
    " VALUES ('J9', 'removal', 'owed', 'H', 'k', 0)",
}


@pytest.mark.parametrize("statement", QUEUED.values(), ids=QUEUED.keys())
def test_of_a_queued_job(shop: Shop, statement: str) -> None:
    shop.accept()
    with pytest.raises(MoveRefused):
        run(shop, statement)
    assert shop.found().state is State.QUEUED
    assert shop.store.views.find("J2") is None


PROCESSING = {
    "a fence that falls": "UPDATE jobs SET fence = 0",
    "an end with a lease": "UPDATE jobs SET state = 'failed', ended_at = 1, error_code = 'x',"
    " error = 'x'",
    "a failure without a reason": "UPDATE jobs SET state = 'failed', ended_at = 1,"
    " lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL",
    "completed without a video": "UPDATE jobs SET state = 'completed', ended_at = 1,"
    " progress = 100, lease_owner = NULL, lease_host = NULL, lease_ends_at = NULL",
}


@pytest.mark.parametrize("statement", PROCESSING.values(), ids=PROCESSING.keys())
def test_of_a_job_that_is_processed(shop: Shop, statement: str) -> None:
    shop.accept()
    shop.claim()
    with pytest.raises(MoveRefused):
        run(shop, statement)
    assert shop.found().state is State.PROCESSING


DRAIN = "INSERT INTO drains (host, reason, at_once, since) VALUES ({})"
DRAINED = {
    "a machine drained twice": DRAIN.format("'H', 'spot', 1, 0"),
    "an unknown reason": DRAIN.format("'I', 'mood', 0, 0"),
    "half at once": DRAIN.format("'I', 'stop', 2, 0"),
    "before there was a time": DRAIN.format("'I', 'stop', 0, -1"),
    "taken away at leisure": DRAIN.format("'I', 'spot', 0, 0"),
    "for no reason": DRAIN.format("'I', NULL, 0, 0"),
}


@pytest.mark.parametrize("statement", DRAINED.values(), ids=DRAINED.keys())
def test_of_a_drained_machine(shop: Shop, statement: str) -> None:
    run(shop, DRAIN.format("'H', 'stop', 0, 5"))
    with pytest.raises(MoveRefused):
        run(shop, statement)
    assert shop.store.drains.of("H") == Drain(Reason.STOP, at_once=False, since=5)
    assert shop.store.drains.of("I") is None


RENDERED = {
    "rendered again": "UPDATE jobs SET state = 'queued'",
    "cancelled after the render": "UPDATE jobs SET state = 'cancelled', ended_at = 1",
    "completed by half": "UPDATE jobs SET state = 'completed', ended_at = 1, progress = 99",
    "a second video": "INSERT INTO outbox (job_id, kind, state, host, key, path, size_bytes,"
    " sha256, due_at) SELECT job_id, kind, 'owed', host, 'k', path, size_bytes, sha256, 0"
    " FROM outbox",
    "a video without a file": "UPDATE outbox SET path = NULL",
    "a video without a hash": "UPDATE outbox SET sha256 = NULL",
    "a hash that is none": "UPDATE outbox SET sha256 = 'ab'",
    "an empty video": "UPDATE outbox SET size_bytes = 0",
    "delivered at no time": "UPDATE outbox SET state = 'delivered'",
    "delivering without a lease": "UPDATE outbox SET state = 'delivering', fence = 1",
    "delivering without a new fence": "UPDATE outbox SET state = 'delivering', lease_owner = 'D',"
    " lease_ends_at = 1",
    "an unknown kind": "UPDATE outbox SET kind = 'gift'",
    "forgotten while it is owed": "DELETE FROM jobs",
}


@pytest.mark.parametrize("statement", RENDERED.values(), ids=RENDERED.keys())
def test_of_a_rendered_job(shop: Shop, statement: str) -> None:
    shop.accept()
    shop.finish(shop.claim())
    with pytest.raises(MoveRefused):
        run(shop, statement)
    assert shop.found().state is State.RENDERED
    assert shop.take().video


@pytest.mark.parametrize("state", [state for state in State if state is not State.COMPLETED])
def test_an_ended_job_stays_ended(shop: Shop, state: State) -> None:
    shop.complete()
    end = "" if state in {"failed", "cancelled"} else ", ended_at = NULL"
    lease = ", lease_owner = 'A', lease_host = 'H', lease_ends_at = 1, fence = 9"
    lease = lease if state == "processing" else ""
    with pytest.raises(MoveRefused):
        run(shop, f"UPDATE jobs SET state = '{state}', error_code = 'x', error = 'x'{end}{lease}")
    assert shop.found().state is State.COMPLETED


@pytest.mark.parametrize("state", ["owed", "dead", "delivering"])
def test_a_paid_row_stays_paid(shop: Shop, state: str) -> None:
    shop.complete()
    lease = ", lease_owner = 'A', lease_ends_at = 1, fence = 9" if state == "delivering" else ""
    with pytest.raises(MoveRefused):
        run(shop, f"UPDATE outbox SET state = '{state}', delivered_at = NULL{lease}")
    assert shop.settled(10**12)


def test_every_change_of_state_leaves_an_event(shop: Shop) -> None:
    """Also one that our statements did not make."""
    shop.accept()
    run(shop, "UPDATE jobs SET state = 'cancelled', ended_at = 5, changed_at = 5")
    assert [(event.state, event.at) for event in shop.store.views.history("J1")] == [
        ("queued", 1000),
        ("cancelled", 5),
    ]


def test_what_is_refused_changes_nothing_of_its_transaction(shop: Shop) -> None:
    """The job was made `rendered` already when its debt turns out to be impossible."""
    shop.accept()
    job = shop.claim()
    with pytest.raises(MoveRefused):
        shop.store.jobs.finish(job, "H", Video.at("a.mp4", 5, SHA[:5]), 500, 3000)
    assert shop.found().state is State.PROCESSING
    assert shop.settled()
    shop.store.jobs.renew(job, LEASE_MS, 3000)
