"""What people wish of a job: cancel it, do it again, delete it; and what is forgotten."""

import pytest

from contract_shop import LEASE_MS, Shop
from jobstore.errors import LeaseLost
from jobstore.job import Kind
from jobstore.moves import State


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


def test_a_second_wish_for_a_retry_is_the_same_one_while_it_lives(shop: Shop) -> None:
    """Two clicks are one render; once that has ended, the next click is another."""
    shop.accept()
    shop.store.jobs.cancel("J1", 2000)
    first = shop.store.jobs.repeat("J1", "J2", 3000)
    assert shop.store.jobs.repeat("J1", "J3", 3000) == first
    assert shop.store.views.find("J3") is None
    shop.store.jobs.cancel("J2", 4000)
    again = shop.store.jobs.repeat("J1", "J3", 5000)
    assert again
    assert again.job_id == "J3"


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
    removal = shop.take(9000, kind=Kind.REMOVAL)
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
