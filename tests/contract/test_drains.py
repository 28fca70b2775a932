"""A machine that is drained claims nothing, from the moment on that it was told so."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract_shop import LEASE_MS, Shop
from jobstore.drains import Drain, Reason
from jobstore.store import Store


def begin(store: Store, reason: Reason = Reason.STOP, now: int = 1000) -> bool:
    return store.drains.begin("H", reason, now, at_once=reason is Reason.SPOT)


def test_it_alone_claims_nothing_until_that_is_lifted(shop: Shop) -> None:
    shop.accept()
    shop.accept("J2")
    assert begin(shop.store)
    assert shop.idle()
    assert shop.claim("B", host="I").job_id == "J1"
    assert shop.store.drains.lift("H")
    assert shop.claim().job_id == "J2"


def test_what_it_has_claimed_before_it_can_finish(shop: Shop) -> None:
    shop.accept()
    job = shop.claim()
    begin(shop.store)
    shop.store.jobs.renew(job, LEASE_MS, 3000)
    shop.finish(job)
    assert shop.take().job_id == "J1"


def test_the_same_drain_again_is_no_other(store: Store) -> None:
    assert begin(store)
    assert not begin(store, now=2000)
    assert store.drains.of("H") == Drain(Reason.STOP, at_once=False, since=1000)


def test_one_that_takes_the_machine_away_is_never_softened(store: Store) -> None:
    begin(store)
    assert begin(store, Reason.SPOT, 2000)
    assert not begin(store, Reason.STOP, 3000)
    assert store.drains.of("H") == Drain(Reason.SPOT, at_once=True, since=2000)


def test_only_the_reason_that_is_named_is_lifted(store: Store) -> None:
    assert not store.drains.lift("H", Reason.STOP)
    begin(store)
    assert not store.drains.lift("H", Reason.SPOT)
    assert store.drains.lift("H", Reason.STOP)
    assert store.drains.of("H") is None


def test_no_claim_that_was_under_way_comes_after_it(shop: Shop) -> None:
    """It waits for that one, so whoever began it knows all that is held."""
    shop.accept()
    database = shop.store.database
    with ThreadPoolExecutor(1) as beside:
        with database.writing() as connection:
            taken = database.queries.claim_job(
                connection,
                owner="A",
                host="H",
                lease_ends_at=LEASE_MS,
                streak_limit=9,
                rested_at=0,
                now=2000,
            )
            assert taken["job_id"] == "J1"
            begun = beside.submit(begin, shop.store)
            with pytest.raises(TimeoutError):
                begun.result(timeout=0.3)
        assert begun.result(timeout=20)
    assert shop.found().state == "processing"


@pytest.mark.parametrize("move", ["begin", "lift"])
def test_the_renderers_hear_of_it_at_once(store: Store, move: str) -> None:
    """Of the end too: they may claim again."""
    begin(store) if move == "lift" else None
    woken, stop = threading.Event(), threading.Event()
    store.database.watch("jobs", woken.set, stop)
    try:
        for _ in range(50):  # the watch may begin a moment later than it was asked for
            store.drains.lift("H")
            begin(store) if move == "begin" else None
            if woken.wait(0.2):
                break
        assert woken.is_set()
    finally:
        stop.set()
