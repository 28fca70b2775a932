"""What has grown old: videos expire once, and jobs are forgotten when nothing is left of them."""

import pytest

from contract_shop import SHA, Ask, Shop
from jobstore.job import Kind
from jobstore.moves import State


def test_a_video_expires_once_and_its_removal_is_owed(shop: Shop) -> None:
    job = shop.complete()
    retention = shop.store.retention
    assert retention.expirable(4999) == {}
    assert retention.expirable(5000) == {"J1": 1000}
    assert retention.expire("J1", 6000)
    assert not retention.expire("J1", 7000)
    assert retention.expirable(9999) == {}
    assert shop.found().expired_at == 6000
    assert shop.found().state is State.COMPLETED
    removal = shop.take(6000, kind=Kind.REMOVAL)
    assert (removal.kind, removal.video, removal.key) == ("removal", None, job.object_key)


def test_an_expired_job_can_be_deleted_and_retried(shop: Shop) -> None:
    shop.complete()
    shop.store.retention.expire("J1", 6000)
    assert shop.store.jobs.repeat("J1", "J2", 6500)
    assert shop.store.jobs.delete("J1", 7000)
    shop.store.outbox.remove(shop.take(7000, kind=Kind.REMOVAL), 7500)
    assert shop.settled(10**9), "one removal is enough"


def test_what_is_owed_or_on_its_way_does_not_expire(shop: Shop) -> None:
    """It was kept on the disk, and there is a bucket now."""
    shop.accept()
    shop.finish(shop.claim())
    shop.store.outbox.keep(shop.take(), 5000)
    shop.store.outbox.owe_kept("H")
    retention = shop.store.retention
    assert retention.expirable(9999) == {}
    assert not retention.expire("J1", 6000)
    delivery = shop.take(6000)
    assert retention.expirable(9999) == {}
    assert not retention.expire("J1", 6000)
    shop.store.outbox.settle(delivery, 1000, SHA, 7000)
    assert retention.expirable(9999) == {"J1": 1000}


def test_pruning_forgets_what_ended_long_ago_and_has_nothing_left(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.complete(job_id)
    shop.store.retention.expire("J1", 6000)
    shop.store.jobs.delete("J2", 6000)
    shop.accept("J4")
    prune = shop.store.retention.prune
    assert prune(9999, 9999) == [], "removals are owed"
    for _ in range(2):
        shop.store.outbox.remove(shop.take(6000, kind=Kind.REMOVAL), 6500)
    assert prune(5000, 6000) == []
    assert prune(5001, 6000) == ["J1"]
    assert prune(5001, 6001) == ["J2"]
    assert prune(9999, 9999) == [], "one has its video, one lives"
    assert shop.history("J1") == []
    assert shop.found("J3").state is State.COMPLETED


def test_pruning_goes_in_small_bites(shop: Shop) -> None:
    for number in range(5):
        shop.accept(f"J{number}")
        shop.store.jobs.cancel(f"J{number}", 2000)
    prune = shop.store.retention.prune
    assert [len(prune(9999, most=2)) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize("end", ["cancel", "live"])
def test_a_picture_is_needed_as_long_as_any_job_that_shares_it(
    shop: Shop, ask: Ask, end: str
) -> None:
    left_at = shop.store.retention.image_left_at
    assert left_at("J1.png") is None
    shop.accept("J1", request=ask(image="J1.png"))
    assert (left_at("J1.png") or 0) > 10**15, "a moment that never comes"
    shop.store.jobs.cancel("J1", 2000)
    assert left_at("J1.png") == 2000
    shop.store.jobs.repeat("J1", "J2", 3000)
    assert (left_at("J1.png") or 0) > 10**15
    if end == "cancel":
        shop.store.jobs.cancel("J2", 4000)
        assert left_at("J1.png") == 4000
