"""The moves of a job: every one, and that nothing else moves it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract_shop import LEASE_MS, SHA, VIDEO, Ask, Shop

from jobstore.errors import KeyReused, LeaseLost
from jobstore.job import Job, Phase
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT, STREAK_REST_MS
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


@pytest.mark.parametrize("by", ["dead owner", "lease"])
def test_a_rescue_takes_back_at_once(shop: Shop, by: str) -> None:
    shop.accept()
    shop.claim(now=2000)
    assert shop.store.jobs.rescue(["X"], 2000 + LEASE_MS - 1) == []
    dead, now = (["X", "A"], 2001) if by == "dead owner" else ([], 2000 + LEASE_MS)
    (job,) = shop.store.jobs.rescue(dead, now)
    assert (job.state, job.fence) == ("queued", 2)
    assert shop.claim(now=now).fence == 3


def test_a_rescued_job_keeps_its_place(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    shop.claim()
    shop.store.jobs.rescue(["A"], 3000)
    assert shop.claim().job_id == "J1"


def test_a_renewed_lease_is_left_alone(shop: Shop) -> None:
    shop.accept()
    shop.store.jobs.renew(shop.claim(now=2000), LEASE_MS, 50_000)
    assert shop.store.jobs.rescue(["B"], 2000 + LEASE_MS) == []


def test_a_job_that_crashes_every_renderer_is_given_up(shop: Shop) -> None:
    shop.accept()
    states = []
    for _ in range(CRASH_LIMIT):
        shop.claim()
        states += [job.state for job in shop.store.jobs.rescue(["A"], 3000)]
    assert states == ["queued"] * (CRASH_LIMIT - 1) + ["failed"]
    assert shop.found().error_code == "renderer_crashed"
    assert shop.found().ended_at == 3000


def test_a_crash_after_a_finished_step_is_not_the_jobs_fault(shop: Shop) -> None:
    shop.accept()
    for _ in range(CRASH_LIMIT * 2):
        shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 1, 10)
        (job,) = shop.store.jobs.rescue(["A"], 3000)
        assert job.state is State.QUEUED


def crash(shop: Shop, now: int = 3000, host: str = "H") -> Job:
    shop.claim(now=now, host=host)
    (job,) = shop.store.jobs.rescue(["A"], now)
    return job


def test_one_job_that_crashes_does_not_stop_the_machine(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    for _ in range(CRASH_LIMIT):
        assert crash(shop).job_id == "J1"
    assert shop.claim().job_id == "J2"


def test_different_jobs_that_crash_in_a_row_stop_the_claiming(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    for _ in range(CRASH_LIMIT):
        crash(shop, now=3000)
    crash(shop, now=4000)
    assert shop.idle(5000)
    assert shop.store.jobs.is_resting("H", 5000)
    assert shop.claim(now=5000, host="another").job_id == "J2", "another machine goes on"


def test_a_machine_that_crashed_tries_again_after_a_rest(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    for _ in range(CRASH_LIMIT + 1):
        crash(shop, now=4000)
    assert shop.idle(4000 + STREAK_REST_MS - 1)
    job = shop.claim(now=4000 + STREAK_REST_MS)
    shop.store.jobs.advance(job, Phase.DENOISING, 1, 10)
    shop.store.jobs.rescue(["A"], 5000 + STREAK_REST_MS)
    assert not shop.store.jobs.is_resting("H", 5000 + STREAK_REST_MS)


def test_a_finished_step_calms_the_machine(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    crash(shop)
    shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 1, 10)
    shop.store.jobs.rescue(["A"], 3000)
    shop.store.jobs.cancel("J1", 3000)
    crash(shop)
    assert not shop.idle(3500)


def test_a_queued_job_is_cancelled_at_once(shop: Shop) -> None:
    shop.accept()
    job = shop.store.jobs.cancel("J1", 1500)
    assert job
    assert (job.state, job.ended_at) == ("cancelled", 1500)
    assert shop.idle()


def test_a_job_that_is_processed_is_asked_to_stop(shop: Shop) -> None:
    shop.accept()
    job = shop.claim()
    assert shop.store.jobs.renew(job, LEASE_MS, 2000) is False
    asked = shop.store.jobs.cancel("J1", 2500)
    assert asked
    assert (asked.state, asked.cancel_requested) == ("processing", True)
    assert shop.store.jobs.renew(job, LEASE_MS, 3000) is True
    shop.store.jobs.stop(job, 4000)
    assert (shop.found().state, shop.found().ended_at) == ("cancelled", 4000)


def test_a_job_whose_holder_died_is_cancelled_all_the_same(shop: Shop) -> None:
    shop.accept()
    shop.claim()
    shop.store.jobs.cancel("J1", 2500)
    (job,) = shop.store.jobs.rescue(["A"], 3000)
    assert (job.state, job.error_code) == ("cancelled", None)


def test_a_job_released_after_the_wish_is_still_cancelled(shop: Shop) -> None:
    shop.accept()
    job = shop.claim()
    shop.store.jobs.cancel("J1", 2500)
    shop.store.jobs.release(job, 3000)
    assert shop.found().state is State.CANCELLED


def test_nobody_stops_a_job_that_nobody_cancelled(shop: Shop) -> None:
    shop.accept()
    with pytest.raises(LeaseLost):
        shop.store.jobs.stop(shop.claim(), 3000)
    assert shop.found().state is State.PROCESSING


def test_what_has_ended_is_not_cancelled(shop: Shop) -> None:
    done = shop.complete()
    assert shop.store.jobs.cancel("J1", 9000) is None
    assert shop.found() == done
    assert shop.store.jobs.cancel("J9", 9000) is None


def test_a_rendered_job_is_too_late_to_cancel(shop: Shop) -> None:
    shop.accept()
    shop.finish(shop.claim())
    assert shop.store.jobs.cancel("J1", 9000) is None
    assert shop.found().state is State.RENDERED


def test_a_retry_by_hand_is_a_new_job(shop: Shop) -> None:
    shop.accept(priority=3)
    shop.store.jobs.fail(shop.claim(), "image_lost", "gone", 3000)
    again = shop.store.jobs.repeat("J1", "J2", 4000)
    assert again
    assert (again.state, again.retry_of, again.priority) == ("queued", "J1", 3)
    assert again.request == shop.found("J1").request
    assert shop.found("J1").state is State.FAILED
    assert shop.claim(now=4000).job_id == "J2"


def test_only_what_has_ended_is_retried(shop: Shop) -> None:
    shop.accept()
    assert shop.store.jobs.repeat("J1", "J2", 4000) is None
    shop.claim()
    assert shop.store.jobs.repeat("J1", "J2", 4000) is None
    assert shop.store.jobs.repeat("J9", "J2", 4000) is None


def test_a_deleted_job_leaves_a_tombstone_and_owes_a_removal(shop: Shop) -> None:
    shop.complete()
    buried = shop.store.jobs.delete("J1", 9000)
    assert buried
    assert buried.deleted_at == 9000
    assert shop.store.views.page(10) == []
    removal = shop.take(9000)
    assert (removal.kind, removal.video, removal.key) == ("removal", None, buried.object_key)
    shop.store.outbox.remove(removal, 9500)
    assert shop.settled(10**9)
    assert shop.store.jobs.delete("J1", 9999) is None
    assert shop.store.jobs.repeat("J1", "J2", 9999) is None


def test_a_job_without_a_video_owes_no_removal(shop: Shop) -> None:
    shop.accept()
    shop.store.jobs.cancel("J1", 2000)
    assert shop.store.jobs.delete("J1", 9000)
    assert shop.settled(10**9)


def test_only_what_has_ended_is_deleted(shop: Shop) -> None:
    shop.accept()
    assert shop.store.jobs.delete("J1", 9000) is None
    shop.finish(shop.claim())
    assert shop.store.jobs.delete("J1", 9000) is None


def test_pruning_forgets_what_ended_long_ago_and_owes_nothing(shop: Shop) -> None:
    shop.complete("J1")
    shop.complete("J2")
    shop.store.jobs.delete("J2", 6000)
    shop.accept("J3")
    assert shop.store.jobs.prune(5000) == 0
    assert shop.store.jobs.prune(5001) == 1
    assert shop.store.views.find("J1") is None
    assert shop.history("J1") == []
    assert shop.store.views.find("J2"), "its removal is still owed"
    shop.store.outbox.remove(shop.take(6000), 6500)
    assert shop.store.jobs.prune(5001) == 1
    assert shop.found("J3").state is State.QUEUED


def test_pruning_goes_in_small_bites(shop: Shop) -> None:
    for number in range(5):
        shop.complete(f"J{number}")
    assert [shop.store.jobs.prune(9999, most=2) for _ in range(4)] == [2, 2, 1, 0]


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
