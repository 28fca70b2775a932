"""Webhooks: owed once at every end, and whoever delivers is woken; listed, and sent once more."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract_shop import LEASE_MS, SHA, Shop
from interrupted import Interrupted
from jobstore.database import Database
from jobstore.job import Kind, Webhook
from jobstore.jobs import CRASH_LIMIT, Jobs
from jobstore.moves import TERMINAL
from jobstore.outbox import Outbox
from jobstore.store import Store

HOOK = "https://hooks.example/"
NEVER = 10**12


def stop(shop: Shop) -> None:
    job = shop.claim()
    shop.store.jobs.cancel(job.job_id, 3000)
    shop.store.jobs.stop(job, 3000)


def release(shop: Shop) -> None:
    job = shop.claim()
    shop.store.jobs.cancel(job.job_id, 3000)
    shop.store.jobs.release(job, 3000)


def postpone(shop: Shop) -> None:
    job = shop.claim()
    shop.store.jobs.cancel(job.job_id, 3000)
    shop.store.jobs.postpone(job, "render_failed", "broke", 9000, 3000)


def crash(shop: Shop) -> None:
    for _ in range(CRASH_LIMIT):
        shop.claim()
        shop.store.jobs.rescue(["A"], 3000)


def settle(shop: Shop) -> None:
    shop.finish(shop.claim())
    shop.store.outbox.settle(shop.take(), 10, SHA, 5000)


def lose(shop: Shop) -> None:
    shop.finish(shop.claim())
    shop.store.outbox.lose(shop.take(), "gone", 5000)


ENDS: dict[str, Callable[[Shop], object]] = {
    "cancelled": lambda shop: shop.store.jobs.cancel("J1", 3000),
    "stopped": stop,
    "released": release,
    "postponed": postpone,
    "failed": lambda shop: shop.store.jobs.fail(shop.claim(), "image_lost", "gone", 3000),
    "crashed": crash,
    "completed": settle,
    "lost": lose,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_every_end_owes_one_webhook_that_any_machine_can_pay(
    shop: Shop, end: Callable[[Shop], object]
) -> None:
    shop.accept(webhook_url=HOOK)
    assert shop.store.views.webhook("J1") is None
    end(shop)
    assert shop.found().state in TERMINAL
    delivery = shop.take(host="another", kind=Kind.WEBHOOK)
    assert (delivery.key, delivery.video, delivery.attempt) == ("evt_J1", None, 1)
    assert shop.store.outbox.claim("E", "H", LEASE_MS, NEVER, Kind.WEBHOOK) is None


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_nobody_is_told_who_did_not_ask_for_it(shop: Shop, end: Callable[[Shop], object]) -> None:
    shop.accept()
    end(shop)
    assert shop.store.outbox.claim("D", "H", LEASE_MS, NEVER, Kind.WEBHOOK) is None
    assert not shop.store.outbox.resend("J1")


class Heard(Interrupted):
    """A real database that remembers whom each transaction woke."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, lambda: None)
        self.woken: list[tuple[str, ...]] = []

    @contextlib.contextmanager
    def writing(self, *wakes: str) -> Iterator[Any]:
        self.woken.append(wakes)
        with super().writing(*wakes) as connection:
            yield connection


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_the_transaction_of_an_end_wakes_whoever_delivers(
    shop: Shop, end: Callable[[Shop], object]
) -> None:
    heard = Heard(shop.store.database)
    store = replace(shop.store, jobs=Jobs(heard), outbox=Outbox(heard))
    shop.accept(webhook_url=HOOK)
    end(Shop(store, shop.ask))
    assert shop.found().state in TERMINAL
    assert "outbox" in heard.woken[-1]


def ended(shop: Shop, *job_ids: str, key_id: str = "main") -> None:
    for job_id in job_ids:
        shop.accept(job_id, webhook_url=HOOK, key_id=key_id)
        shop.store.jobs.cancel(job_id, 3000)


def dead(shop: Shop, *job_ids: str, key_id: str = "main") -> None:
    ended(shop, *job_ids, key_id=key_id)
    for _ in job_ids:
        shop.store.outbox.give_up(shop.take(kind=Kind.WEBHOOK), "nobody listens")


def ids(webhooks: list[Webhook]) -> list[str]:
    return [webhook.job_id for webhook in webhooks]


def test_the_dead_are_listed_page_by_page_the_newest_first(shop: Shop) -> None:
    dead(shop, "J1", "J2", "J3")
    ended(shop, "J4")
    listed = shop.store.views.webhooks
    first = listed(2, "dead")
    assert ids(first) == ["J3", "J2"]
    assert ids(listed(2, "dead", first[-1].seq)) == ["J1"]
    assert (first[0].attempts, first[0].error) == (1, "nobody listens")
    assert ids(listed(9, "owed")) == ["J4"]
    assert shop.store.views.backlog().untold == 3


def test_each_key_sees_its_own_and_nobody_those_of_deleted_jobs(shop: Shop) -> None:
    dead(shop, "J1", "J2", key_id="alice")
    dead(shop, "J3")
    listed = shop.store.views.webhooks
    shop.store.jobs.delete("J2", 5000)
    assert ids(listed(9, "dead")) == ["J3", "J1"]
    assert ids(listed(9, "dead", key_id="alice")) == ["J1"]
    assert listed(9, "dead", key_id="bob") == []


@pytest.mark.parametrize("close", ["tell", "give_up"])
def test_one_that_is_closed_is_sent_once_more_from_the_start(shop: Shop, close: str) -> None:
    ended(shop, "J1")
    delivery = shop.take(kind=Kind.WEBHOOK)
    shop.store.outbox.postpone(delivery, 9000, "away")
    again = shop.take(9000, kind=Kind.WEBHOOK)
    assert (again.attempt, again.key) == (2, delivery.key)
    if close == "tell":
        shop.store.outbox.tell(again, 9000)
    else:
        shop.store.outbox.give_up(again, "nobody listens")
    assert shop.store.outbox.claim("E", "H", LEASE_MS, NEVER, Kind.WEBHOOK) is None
    assert shop.store.outbox.resend("J1")
    owed = shop.store.views.webhook("J1")
    assert owed
    assert (owed.state, owed.attempts, owed.error, owed.next_at) == ("owed", 0, None, None)
    third = shop.take(4000, kind=Kind.WEBHOOK)
    assert (third.attempt, third.key) == (1, delivery.key)


def test_a_retry_tells_its_end_where_the_first_did(shop: Shop) -> None:
    ended(shop, "J1")
    again = shop.store.jobs.repeat("J1", "J2", 4000)
    assert again
    assert again.webhook_url == HOOK


def test_a_webhook_outlives_a_restart(shop: Shop, url: str, tmp_path: Path) -> None:
    ended(shop, "J1")
    shop.store.close()
    again = Store.open(url, tmp_path / "wake")
    assert again.outbox.claim("D", "H", LEASE_MS, 4000, Kind.WEBHOOK)
    again.close()
