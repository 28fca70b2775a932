"""The outbox of a store: what is owed is paid once, or said to be lost."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from pysqlite3 import dbapi2 as driver

from jobstore.errors import LeaseLost
from jobstore.job import Delivery, Job, Request, Video
from jobstore.moves import State
from jobstore.store import Store

Ask = Callable[..., Request]
LEASE_MS = 60_000
SHA = "cd" * 32


@pytest.fixture
def owe(store: Store, ask: Ask) -> Callable[..., Job]:
    def make(job_id: str = "J1") -> Job:
        store.jobs.accept(job_id, ask(), "test", 1000)
        job = store.jobs.claim("A", LEASE_MS, 2000)
        assert job
        store.jobs.finish(job, Video(PurePosixPath(f"outputs/{job_id}.1.mp4"), 10, SHA), 3000)
        return job

    return make


def claim(store: Store, now: int = 4000) -> Delivery:
    delivery = store.outbox.claim("D", LEASE_MS, now)
    assert delivery
    return delivery


def state(store: Store, job_id: str = "J1") -> State:
    job = store.jobs.find(job_id)
    assert job
    return job.state


def test_a_row_is_paid_once(store: Store, owe: Callable[..., Job]) -> None:
    owe()
    delivery = claim(store)
    assert store.outbox.claim("E", LEASE_MS, 4000) is None
    store.outbox.settle(delivery, 10, SHA, 5000)
    assert state(store) is State.COMPLETED
    assert store.outbox.claim("E", LEASE_MS, 10**12) is None


def test_a_postponed_row_is_due_later_and_lets_others_pass(
    store: Store, owe: Callable[..., Job]
) -> None:
    owe("J1")
    owe("J2")
    store.outbox.postpone(claim(store), 50_000, "S3 is away")
    assert claim(store).job_id == "J2"
    assert store.outbox.claim("D", LEASE_MS, 49_999) is None
    again = claim(store, 50_000)
    assert (again.job_id, again.attempt) == ("J1", 2)
    assert state(store) is State.RENDERED


def test_a_lost_file_fails_its_job(store: Store, owe: Callable[..., Job]) -> None:
    owe()
    store.outbox.lose(claim(store), "gone", 5000)
    job = store.jobs.find("J1")
    assert job
    assert (job.state, job.error_code, job.error) == ("failed", "output_lost", "gone")


@pytest.mark.parametrize("by", ["dead owner", "lease"])
def test_a_rescue_takes_back_at_once(store: Store, owe: Callable[..., Job], by: str) -> None:
    owe()
    claim(store, 4000)
    assert store.outbox.rescue(["X"], 4000 + LEASE_MS - 1) == []
    dead, now = (["D"], 4001) if by == "dead owner" else ([], 4000 + LEASE_MS)
    assert len(store.outbox.rescue(dead, now)) == 1
    assert claim(store, now).fence == 3


def test_a_renewed_lease_is_left_alone(store: Store, owe: Callable[..., Job]) -> None:
    owe()
    store.outbox.renew(claim(store, 4000), LEASE_MS, 50_000)
    assert store.outbox.rescue([], 4000 + LEASE_MS) == []


STALE: list[Callable[[Store, Delivery], Any]] = [
    lambda store, row: store.outbox.renew(row, LEASE_MS, 9000),
    lambda store, row: store.outbox.settle(row, 10, SHA, 9000),
    lambda store, row: store.outbox.postpone(row, 9000, "late"),
    lambda store, row: store.outbox.lose(row, "late", 9000),
]


@pytest.mark.parametrize("write", STALE)
def test_a_stale_fence_changes_no_row(
    store: Store, owe: Callable[..., Job], write: Callable[[Store, Delivery], Any]
) -> None:
    owe()
    stale = claim(store)
    store.outbox.rescue(["D"], 5000)
    with pytest.raises(LeaseLost):
        write(store, stale)
    assert state(store) is State.RENDERED
    assert claim(store, 5000).fence == 3


FORBIDDEN = {
    "a second row of one job": "INSERT INTO outbox (job_id, kind, state, key, path, size_bytes,"
    " sha256, due_at) SELECT job_id, kind, 'owed', 'k', path, size_bytes, sha256, 0 FROM outbox",
    "a settled row that is owed again": "UPDATE outbox SET state = 'owed', delivered_at = NULL",
    "a rendered job that is rendered again": "UPDATE jobs SET state = 'queued'",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_schema_itself_refuses(store: Store, owe: Callable[..., Job], statement: str) -> None:
    owe()
    store.outbox.settle(claim(store), 10, SHA, 5000)
    with pytest.raises(driver.IntegrityError), store.database.writing() as connection:
        connection.execute(statement)
