"""A request that comes again is known again: by its key, or by what a client library says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract_shop import Ask, Shop
from interrupted import Interrupted
from jobstore.arrivals import RETRIED_MS
from jobstore.job import Arrival
from jobstore.jobs import Jobs


def test_a_library_that_heard_nothing_gets_its_job(shop: Shop) -> None:
    first = shop.accept("J1", request_hash="1")
    assert first.unread
    again = shop.accept("J2", now=1000 + RETRIED_MS - 1, request_hash="1", retried=True)
    assert (again.job_id, again.unread) == ("J1", False)
    assert shop.store.views.find("J2") is None


def test_it_gets_the_newest_one_first_and_each_only_once(shop: Shop) -> None:
    for job_id in ("J1", "J2"):
        shop.accept(job_id, request_hash="1")
    again = [shop.accept(f"J{n}", request_hash="1", retried=True).job_id for n in (3, 4, 5)]
    assert again == ["J2", "J1", "J5"]


OTHERS: dict[str, Callable[[Shop], object]] = {
    "its id was read": lambda shop: shop.store.jobs.read([shop.found()]),
    "it was listed": lambda shop: shop.store.jobs.read(shop.store.views.page(5)),
    "it is not a retry": lambda shop: shop.accept("J2", request_hash="1"),
    "it asks for something else": lambda shop: shop.accept("J2", request_hash="2", retried=True),
    "it is of another key": lambda shop: shop.accept(
        "J2", request_hash="1", key_id="other", retried=True
    ),
}


@pytest.mark.parametrize("way", OTHERS.values(), ids=OTHERS.keys())
def test_everything_else_is_a_job_of_its_own(shop: Shop, way: Callable[[Shop], object]) -> None:
    shop.accept("J1", request_hash="1")
    way(shop)
    retried = not shop.store.views.find("J2")
    last = shop.accept("J3", request_hash="1", retried=retried)
    assert last.job_id == "J3"


def test_after_a_quarter_of_an_hour_it_is_another_job(shop: Shop) -> None:
    shop.accept("J1", request_hash="1")
    late = shop.accept("J2", now=1000 + RETRIED_MS, request_hash="1", retried=True)
    assert late.job_id == "J2"


def test_the_same_asked_for_again_a_minute_later_is_another_job(shop: Shop) -> None:
    """Nobody has read the first; whoever sends it again and means it gets a second one."""
    first = shop.accept("J1", now=1000, request_hash="1")
    second = shop.accept("J2", now=61_000, request_hash="1")
    assert (first.job_id, second.job_id) == ("J1", "J2")
    assert len(shop.store.views.page(10)) == 2


def test_a_job_with_a_key_is_found_by_its_key_alone(shop: Shop) -> None:
    shop.accept("J1", idempotency_key="K", request_hash="1")
    assert shop.accept("J2", request_hash="1", retried=True).job_id == "J2"


def test_who_is_given_a_job_that_somebody_else_just_got_is_given_the_next(shop: Shop) -> None:
    """Two libraries ask again at once; on PostgreSQL one may look while the other takes."""
    for job_id in ("J1", "J2"):
        shop.accept(job_id, request_hash="1")
    database = Interrupted(
        shop.store.database, lambda: shop.accept("J3", request_hash="1", retried=True)
    )
    arrival = Arrival("J4", shop.ask(), "test", "main", None, "1", retried=True)
    assert Jobs(database).accept(arrival, 1000)[0].job_id == "J1"


def test_a_hundred_requests_with_one_key_are_one_job(shop: Shop, ask: Ask) -> None:
    request = ask()

    def send(number: int) -> tuple[str, bool]:
        arrival = Arrival(f"J{number}", request, "test", "main", "K", "1")
        job, new = shop.store.jobs.accept(arrival, 1000)
        return job.job_id, new

    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(send, range(100)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert len(shop.store.views.page(100)) == 1


def test_two_who_retry_at_once_get_the_same_job(shop: Shop) -> None:
    shop.accept()
    shop.store.jobs.cancel("J1", 2000)
    with ThreadPoolExecutor(8) as clickers:
        jobs = clickers.map(lambda n: shop.store.jobs.repeat("J1", f"R{n}", 3000), range(16))
    assert len({job.job_id for job in jobs if job}) == 1
    assert len(shop.store.views.page(100)) == 2
