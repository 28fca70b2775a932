"""The moves of a job: every one, and that nothing else moves it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract_shop import LEASE_MS, SHA, VIDEO, Ask, Shop
from jobstore.errors import KeyReused, LeaseLost
from jobstore.job import Job, Phase
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT
from jobstore.moves import State
from jobstore.store import Store


def test_a_job_goes_all_the_way(shop: Shop) -> None:
    assert shop.accept().state is State.QUEUED
    job = shop.claim()
    shop.store.jobs.advance(job, Phase.DENOISING, 2, 50)
    now = shop.found()
    assert (now.phase, now.step, now.progress) == ("denoising", 2, 50)
    shop.finish(job)
    assert shop.found().state is State.RENDERED
    delivery = shop.take()
    assert (delivery.key, delivery.video) == (job.object_key, VIDEO)
    shop.store.outbox.settle(delivery, 1000, SHA, 5000)
    done = shop.found()
    assert (done.state, done.progress, done.phase, done.ended_at) == ("completed", 100, None, 5000)
    assert shop.history() == [
        ("queued", 0),
        ("processing", 1),
        ("rendered", 1),
        ("completed", 1),
    ]


def test_what_was_asked_comes_back_as_it_was(shop: Shop, ask: Ask) -> None:
    request = ask(prompt='Ein roter "Kreis" 圆, \u200d\n%s :now', seed=2**63 - 1, image="J1.png")
    shop.accept(request=request)
    assert shop.found().request == request


def test_the_same_key_and_request_give_the_same_job(shop: Shop) -> None:
    first = shop.accept("J1", idempotency_key="K", request_hash="1")
    again = shop.accept("J2", idempotency_key="K", request_hash="1")
    assert again == first
    assert shop.store.views.find("J2") is None
    assert shop.accept("J3").job_id == "J3"
    assert shop.accept("J4").job_id == "J4", "without a key, every request is a new job"


def test_the_same_key_with_another_request_is_refused(shop: Shop) -> None:
    shop.accept("J1", idempotency_key="K", request_hash="1")
    with pytest.raises(KeyReused):
        shop.accept("J2", idempotency_key="K", request_hash="2")
    assert shop.store.views.find("J2") is None


def test_a_replay_finds_the_job_however_far_it_has_come(shop: Shop) -> None:
    shop.accept("J1", idempotency_key="K", request_hash="1")
    shop.store.jobs.fail(shop.claim(), "image_lost", "gone", 3000)
    assert shop.accept("J2", idempotency_key="K", request_hash="1").state is State.FAILED


def test_the_oldest_job_of_the_highest_priority_is_claimed_first(shop: Shop) -> None:
    for job_id, priority in (("J1", 0), ("J2", 5), ("J3", 0), ("J4", 5), ("J5", -1)):
        shop.accept(job_id, priority=priority)
    order = [("J2", 1), ("J4", 2), ("J1", 3), ("J3", 4), ("J5", 5)]
    assert [(job, shop.store.views.position(job)) for job, _ in order] == order
    assert [shop.claim().job_id for _ in range(5)] == [job for job, _ in order]
    assert shop.idle()


def test_a_release_keeps_the_place_and_counts_nothing(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    for _ in range(CRASH_LIMIT + FAILURE_LIMIT):
        job = shop.claim()
        assert job.job_id == "J1"
        shop.store.jobs.release(job, 3000)
    assert shop.found().state is State.QUEUED


@pytest.mark.parametrize("end", ["release", "postpone", "rescue"])
def test_what_was_done_is_still_told_while_a_job_waits_again(shop: Shop, end: str) -> None:
    """Whoever polls sees neither the percent nor the step go back, only the phase end; the next
    claim stands where its checkpoint does, and its percent rises once it is further."""
    shop.accept()
    job = shop.claim()
    assert not shop.store.jobs.advance(job, Phase.DENOISING, 20, 37)
    assert not shop.store.jobs.renew(job, LEASE_MS, 2500, spent_ms=440_000)
    if end == "release":
        shop.store.jobs.release(job, 3000)
    elif end == "postpone":
        shop.store.jobs.postpone(job, "render_failed", "broke", 3000, 3000)
    else:
        shop.store.jobs.rescue(["A"], 3000)
    waits = shop.found()
    assert (waits.state, waits.phase) == ("queued", None)
    assert (waits.step, waits.progress, waits.spent_ms) == (20, 37, 440_000)
    again = shop.claim(now=90_000)
    assert (again.step, again.progress, again.spent_ms) == (20, 37, 440_000)
    shop.store.jobs.advance(again, Phase.DENOISING, 18, 34)
    shop.store.jobs.renew(again, LEASE_MS, 90_500, spent_ms=400_000)
    assert (shop.found().step, shop.found().progress, shop.found().spent_ms) == (18, 37, 440_000)
    shop.store.jobs.advance(again, Phase.DENOISING, 21, 39)
    shop.store.jobs.renew(again, LEASE_MS, 91_000, spent_ms=480_000)
    assert (shop.found().step, shop.found().progress, shop.found().spent_ms) == (21, 39, 480_000)


def test_a_step_hears_of_a_wish_to_cancel(shop: Shop) -> None:
    shop.accept()
    job = shop.claim()
    shop.store.jobs.cancel("J1", 3000)
    assert shop.store.jobs.advance(job, Phase.DENOISING, 1, 2)


def test_a_failure_that_may_pass_waits_and_is_limited(shop: Shop) -> None:
    shop.accept()
    jobs = shop.store.jobs
    for attempt in range(1, FAILURE_LIMIT):
        job = shop.claim(now=10_000 * attempt)
        due_at = 10_000 * (attempt + 1)
        assert jobs.postpone(job, "render_failed", "broke", due_at, due_at - 5000) == "queued"
        assert shop.idle(due_at - 1)
    last = shop.claim(now=90_000)
    assert jobs.postpone(last, "render_failed", "broke", 99_000, 91_000) == "failed"
    assert (shop.found().error_code, shop.found().ended_at) == ("render_failed", 91_000)


def test_a_failure_that_cannot_pass_ends_the_job(shop: Shop) -> None:
    shop.accept()
    shop.store.jobs.fail(shop.claim(), "image_lost", "gone", 3000)
    assert (shop.found().state, shop.found().error) == ("failed", "gone")


STALE: dict[str, Callable[[Store, Job], Any]] = {
    "renew": lambda store, job: store.jobs.renew(job, LEASE_MS, 9000),
    "advance": lambda store, job: store.jobs.advance(job, Phase.DECODING, 3, 90),
    "finish": lambda store, job: store.jobs.finish(job, "H", VIDEO, 500, 9000),
    "release": lambda store, job: store.jobs.release(job, 9000),
    "fail": lambda store, job: store.jobs.fail(job, "image_lost", "gone", 9000),
    "postpone": lambda store, job: store.jobs.postpone(job, "render_failed", "broke", 9000, 9000),
    "stop": lambda store, job: store.jobs.stop(job, 9000),
}


@pytest.fixture(params=["queued again", "claimed by another", "failed", "to be cancelled"])
def elsewhere(request: pytest.FixtureRequest, shop: Shop) -> Job:
    """A claim whose job has meanwhile gone on without it."""
    shop.accept()
    stale = shop.claim()
    shop.store.jobs.rescue(["A"], 3000)
    if request.param != "queued again":
        other = shop.claim(owner="B")
        if request.param == "failed":
            shop.store.jobs.fail(other, "image_lost", "gone", 4000)
        if request.param == "to be cancelled":
            shop.store.jobs.cancel("J1", 4000)
    return stale


@pytest.mark.parametrize("write", STALE.values(), ids=STALE.keys())
def test_a_stale_fence_changes_no_row(
    shop: Shop, elsewhere: Job, write: Callable[[Store, Job], Any]
) -> None:
    before = (shop.found(), shop.history())
    with pytest.raises(LeaseLost):
        write(shop.store, elsewhere)
    assert (shop.found(), shop.history()) == before
    assert shop.settled(99_000)


def test_a_finish_after_the_lease_is_kept_if_nobody_took_the_job(shop: Shop) -> None:
    shop.accept()
    shop.finish(shop.claim(now=2000), now=2000 + LEASE_MS * 10)
    assert shop.found().state is State.RENDERED


def test_jobs_outlive_the_process(shop: Shop, url: str, tmp_path: Path) -> None:
    shop.accept()
    shop.store.close()
    again = Store.open(url, tmp_path / "wake")
    assert again.views.find("J1")
    again.close()
