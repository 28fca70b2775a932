"""The outbox: what is owed is paid once, or said to be lost."""

from collections.abc import Callable
from typing import Any

import pytest

from contract_shop import LEASE_MS, SHA, Shop
from jobstore.errors import LeaseLost
from jobstore.job import Delivery
from jobstore.moves import State
from jobstore.store import Store


@pytest.fixture
def owe(shop: Shop) -> Callable[..., None]:
    def make(job_id: str = "J1", host: str = "H") -> None:
        shop.accept(job_id)
        shop.finish(shop.claim(), host=host)

    return make


def test_a_row_is_paid_once(shop: Shop, owe: Callable[..., None]) -> None:
    owe()
    delivery = shop.take()
    assert shop.settled()
    shop.store.outbox.settle(delivery, 10, SHA, 5000)
    assert shop.found().state is State.COMPLETED
    assert shop.settled(10**12)


def test_only_the_machine_with_the_file_pays(shop: Shop, owe: Callable[..., None]) -> None:
    owe("J1", host="H")
    owe("J2", host="I")
    assert shop.take(host="I").job_id == "J2"
    assert shop.settled(host="I")
    assert shop.take(host="H").job_id == "J1"


def test_a_postponed_row_is_due_later_and_lets_others_pass(
    shop: Shop, owe: Callable[..., None]
) -> None:
    owe("J1")
    owe("J2")
    shop.store.outbox.postpone(shop.take(), 50_000, "S3 is away")
    assert shop.take().job_id == "J2"
    assert shop.settled(49_999)
    again = shop.take(50_000)
    assert (again.job_id, again.attempt) == ("J1", 2)
    assert shop.found().state is State.RENDERED


def test_a_lost_file_fails_its_job(shop: Shop, owe: Callable[..., None]) -> None:
    owe()
    shop.store.outbox.lose(shop.take(), "gone", 5000)
    job = shop.found()
    assert (job.state, job.error_code, job.error) == ("failed", "output_lost", "gone")
    assert shop.settled(10**12)


@pytest.mark.parametrize("by", ["dead owner", "lease"])
def test_a_rescue_takes_back_at_once(shop: Shop, owe: Callable[..., None], by: str) -> None:
    owe()
    shop.take(4000)
    assert shop.store.outbox.rescue(["X"], 4000 + LEASE_MS - 1) == []
    dead, now = (["X", "D"], 4001) if by == "dead owner" else ([], 4000 + LEASE_MS)
    assert len(shop.store.outbox.rescue(dead, now)) == 1
    assert shop.take(now).fence == 3


def test_a_renewed_lease_is_left_alone(shop: Shop, owe: Callable[..., None]) -> None:
    owe()
    shop.store.outbox.renew(shop.take(4000), LEASE_MS, 50_000)
    assert shop.store.outbox.rescue([], 4000 + LEASE_MS) == []


STALE: dict[str, Callable[[Store, Delivery], Any]] = {
    "renew": lambda store, row: store.outbox.renew(row, LEASE_MS, 9000),
    "settle": lambda store, row: store.outbox.settle(row, 10, SHA, 9000),
    "postpone": lambda store, row: store.outbox.postpone(row, 9000, "late"),
    "lose": lambda store, row: store.outbox.lose(row, "late", 9000),
    "remove": lambda store, row: store.outbox.remove(row, 9000),
}


@pytest.mark.parametrize("write", STALE.values(), ids=STALE.keys())
@pytest.mark.parametrize("taken", [False, True])
def test_a_stale_fence_changes_no_row(
    shop: Shop,
    owe: Callable[..., None],
    write: Callable[[Store, Delivery], Any],
    *,
    taken: bool,
) -> None:
    owe()
    stale = shop.take()
    shop.store.outbox.rescue(["D"], 5000)
    if taken:
        shop.take(5000, owner="E")
    before = (shop.found(), shop.history())
    with pytest.raises(LeaseLost):
        write(shop.store, stale)
    assert (shop.found(), shop.history()) == before
    if not taken:
        assert shop.take(5000).fence == 3


def test_what_a_machine_has_to_pay_soon_is_counted(shop: Shop, owe: Callable[..., None]) -> None:
    """What is being paid too; not what another machine has, nor what waits for long."""
    owed_by = shop.store.views.owed_by
    assert owed_by("H", 5000) == 0
    for number, host in enumerate(["H", "H", "H", "I"]):
        owe(f"J{number}", host)
    shop.store.outbox.postpone(shop.take(), 50_000, "S3 is away")
    shop.take()
    assert (owed_by("H", 49_999), owed_by("H", 50_000), owed_by("I", 5000)) == (2, 3, 1)
    shop.take(host="I")
    assert (owed_by("I", 5000), owed_by("H", 5000)) == (1, 2)
