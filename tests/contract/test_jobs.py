"""The jobs of a store, whatever database it stands on: every move, and what may not move."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pysqlite3 import dbapi2 as driver

from jobstore.errors import LeaseLost
from jobstore.job import Job, Phase, Request, Video
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT
from jobstore.moves import State
from jobstore.store import Store
from jobstore.wake import Wake

Ask = Callable[..., Request]
LEASE_MS = 60_000
VIDEO = Video(PurePosixPath("outputs/J1.1.mp4"), 1000, "ab" * 32)


@pytest.fixture
def accept(store: Store, ask: Ask) -> Callable[..., Job]:
    def make(job_id: str = "J1", now: int = 1000) -> Job:
        return store.jobs.accept(job_id, ask(), "test", now)

    return make


def claim(store: Store, owner: str = "A", now: int = 2000) -> Job:
    job = store.jobs.claim(owner, LEASE_MS, now)
    assert job
    return job


def found(store: Store, job_id: str = "J1") -> Job:
    job = store.jobs.find(job_id)
    assert job
    return job


def history(store: Store, job_id: str = "J1") -> list[tuple[str, int]]:
    """Read what the schema itself wrote down: every state, with its fence."""
    with store.database.reading() as connection:
        rows = connection.execute(
            "SELECT state, fence FROM job_events WHERE job_id = ? ORDER BY seq", (job_id,)
        ).fetchall()
    return [tuple(row) for row in rows]


def test_a_job_goes_all_the_way(store: Store, accept: Callable[..., Job]) -> None:
    assert accept().state is State.QUEUED
    job = claim(store)
    store.jobs.advance(job, Phase.DENOISING, 2, 50)
    assert (found(store).phase, found(store).step, found(store).progress) == ("denoising", 2, 50)
    store.jobs.finish(job, VIDEO, 3000)
    assert found(store).state is State.RENDERED
    delivery = store.outbox.claim("B", LEASE_MS, 4000)
    assert delivery
    assert (delivery.key, delivery.video) == (job.object_key, VIDEO)
    store.outbox.settle(delivery, 1000, "ab" * 32, 5000)
    done = found(store)
    assert (done.state, done.progress, done.phase, done.ended_at) == ("completed", 100, None, 5000)
    assert history(store) == [("queued", 0), ("processing", 1), ("rendered", 1), ("completed", 1)]


def test_what_was_asked_comes_back_as_it_was(store: Store, ask: Ask) -> None:
    request = ask(prompt='Ein roter "Kreis" 圆, \u200d\n', seed=2**63 - 1, image="J1.png")
    store.jobs.accept("J1", request, "test", 1000)
    assert found(store).request == request


def test_the_oldest_job_is_claimed_first(store: Store, accept: Callable[..., Job]) -> None:
    for job_id in ("J1", "J2", "J3"):
        accept(job_id)
    assert [claim(store).job_id for _ in range(3)] == ["J1", "J2", "J3"]
    assert store.jobs.claim("A", LEASE_MS, 2000) is None


def test_a_place_counts_from_one_among_the_queued(store: Store, accept: Callable[..., Job]) -> None:
    for job_id in ("J1", "J2", "J3"):
        accept(job_id)
    assert [store.jobs.position(job_id) for job_id in ("J1", "J2", "J3")] == [1, 2, 3]
    claim(store)
    assert [store.jobs.position(job_id) for job_id in ("J1", "J2", "J3")] == [None, 1, 2]


def test_a_release_keeps_the_place_and_counts_nothing(
    store: Store, accept: Callable[..., Job]
) -> None:
    accept("J1")
    accept("J2")
    for _ in range(CRASH_LIMIT + FAILURE_LIMIT):
        job = claim(store)
        assert job.job_id == "J1"
        store.jobs.release(job, 3000)
    assert found(store).state is State.QUEUED


def test_a_failure_that_may_pass_waits_and_is_limited(
    store: Store, accept: Callable[..., Job]
) -> None:
    accept()
    for attempt in range(1, FAILURE_LIMIT):
        job = claim(store, now=10_000 * attempt)
        due_at = 10_000 * (attempt + 1)
        assert store.jobs.retry(job, "render_failed", "broke", due_at, due_at - 5000) == "queued"
        assert store.jobs.claim("A", LEASE_MS, due_at - 1) is None
    last = claim(store, now=90_000)
    assert store.jobs.retry(last, "render_failed", "broke", 99_000, 91_000) == "failed"
    assert (found(store).error_code, found(store).ended_at) == ("render_failed", 91_000)


def test_a_failure_that_cannot_pass_ends_the_job(store: Store, accept: Callable[..., Job]) -> None:
    accept()
    store.jobs.fail(claim(store), "image_lost", "gone", 3000)
    assert (found(store).state, found(store).error) == ("failed", "gone")


@pytest.mark.parametrize("by", ["dead owner", "lease"])
def test_a_rescue_takes_back_at_once(store: Store, accept: Callable[..., Job], by: str) -> None:
    accept()
    claim(store, now=2000)
    assert store.jobs.rescue([], 2000 + LEASE_MS - 1) == []
    dead, now = (["A"], 2001) if by == "dead owner" else ([], 2000 + LEASE_MS)
    (job,) = store.jobs.rescue(dead, now)
    assert (job.state, job.fence) == ("queued", 2)
    assert claim(store, now=now).fence == 3


def test_a_renewed_lease_is_left_alone(store: Store, accept: Callable[..., Job]) -> None:
    accept()
    job = claim(store, now=2000)
    store.jobs.renew(job, LEASE_MS, 50_000)
    assert store.jobs.rescue(["B"], 2000 + LEASE_MS) == []


def test_a_job_that_crashes_every_renderer_is_given_up(
    store: Store, accept: Callable[..., Job]
) -> None:
    accept()
    states = []
    for _ in range(CRASH_LIMIT):
        claim(store)
        states += [job.state for job in store.jobs.rescue(["A"], 3000)]
    assert states == ["queued"] * (CRASH_LIMIT - 1) + ["failed"]
    assert found(store).error_code == "renderer_crashed"


def test_a_crash_after_a_finished_step_is_not_the_jobs_fault(
    store: Store, accept: Callable[..., Job]
) -> None:
    accept()
    for _ in range(CRASH_LIMIT * 2):
        store.jobs.advance(claim(store), Phase.DENOISING, 1, 10)
        (job,) = store.jobs.rescue(["A"], 3000)
        assert job.state is State.QUEUED


STALE: list[Callable[[Store, Job], Any]] = [
    lambda store, job: store.jobs.renew(job, LEASE_MS, 9000),
    lambda store, job: store.jobs.advance(job, Phase.DECODING, 3, 90),
    lambda store, job: store.jobs.finish(job, VIDEO, 9000),
    lambda store, job: store.jobs.release(job, 9000),
    lambda store, job: store.jobs.fail(job, "image_lost", "gone", 9000),
    lambda store, job: store.jobs.retry(job, "render_failed", "broke", 9000, 9000),
]


@pytest.fixture(params=["queued again", "claimed by another", "failed"])
def elsewhere(request: pytest.FixtureRequest, store: Store, accept: Callable[..., Job]) -> Job:
    """A claim whose job has meanwhile gone on without it."""
    accept()
    stale = claim(store)
    store.jobs.rescue(["A"], 3000)
    if request.param != "queued again":
        other = claim(store, owner="B")
        if request.param == "failed":
            store.jobs.fail(other, "image_lost", "gone", 4000)
    return stale


@pytest.mark.parametrize("write", STALE)
def test_a_stale_fence_changes_no_row(
    store: Store, elsewhere: Job, write: Callable[[Store, Job], Any]
) -> None:
    before = found(store)
    with pytest.raises(LeaseLost):
        write(store, elsewhere)
    assert found(store) == before
    assert store.outbox.claim("B", LEASE_MS, 99_000) is None


def test_a_finish_after_the_lease_is_kept_if_nobody_took_the_job(
    store: Store, accept: Callable[..., Job]
) -> None:
    accept()
    store.jobs.finish(claim(store, now=2000), VIDEO, 2000 + LEASE_MS * 10)
    assert found(store).state is State.RENDERED


FORBIDDEN = {
    "a queued job cannot be completed": "UPDATE jobs SET state = 'completed', progress = 100,"
    " ended_at = 1 WHERE job_id = 'J1'",
    "a fence never falls": "UPDATE jobs SET fence = -1 WHERE job_id = 'J1'",
    "a claim without a lease": "UPDATE jobs SET state = 'processing', fence = 1",
    "a lease without a claim": "UPDATE jobs SET lease_owner = 'A', lease_ends_at = 1",
    "a claim that does not raise the fence": "UPDATE jobs SET state = 'processing',"
    " lease_owner = 'A', lease_ends_at = 1",
    "another request": "UPDATE jobs SET request = '{}'",
    "a failure without a reason": "UPDATE jobs SET state = 'failed', ended_at = 1",
    "an event of no job": "INSERT INTO job_events (job_id, state, fence, at)"
    " VALUES ('J9', 'queued', 0, 0)",
    "an unknown state": "UPDATE jobs SET state = 'paused'",
    "a job that starts in the middle": "INSERT INTO jobs (job_id, state, request, source, due_at,"
    " accepted_at, changed_at) VALUES ('J2', 'rendered', '{}', 't', 0, 0, 0)",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_schema_itself_refuses(
    store: Store, accept: Callable[..., Job], statement: str
) -> None:
    accept()
    with pytest.raises(driver.IntegrityError), store.database.writing() as connection:
        connection.execute(statement)
    assert found(store).state is State.QUEUED


def test_an_ended_job_stays_ended(store: Store, accept: Callable[..., Job]) -> None:
    accept()
    store.jobs.fail(claim(store), "image_lost", "gone", 3000)
    for state in ("queued", "processing", "rendered", "completed"):
        with pytest.raises(driver.IntegrityError), store.database.writing() as connection:
            connection.execute("UPDATE jobs SET state = ?", (state,))


def test_jobs_outlive_the_process(tmp_path: Path, store: Store, accept: Callable[..., Job]) -> None:
    accept()
    store.close()
    again = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", Wake(tmp_path / "wake"))
    assert found(again).job_id == "J1"
    again.close()
