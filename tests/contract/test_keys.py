"""Keys by name: kept as hashes, good until they are revoked, and bounded in what they may have."""

from typing import Any

import pytest

from contract_shop import Ask, Shop
from jobstore.errors import KeyBusy, KeyQueueFull, KeyReused, MoveRefused, NameWrong, QueueFull
from jobstore.job import Arrival, Job, Limits
from jobstore.keys import Keys, hashed
from jobstore.moves import State


@pytest.fixture
def keys(shop: Shop) -> Keys:
    return shop.store.keys


def test_a_key_is_known_by_its_hash_alone(keys: Keys) -> None:
    secret = keys.make("alice", 1000)
    assert keys.owner(hashed(secret)) == "alice"
    assert keys.owner(hashed(f"{secret}x")) is None
    (key,) = keys.all()
    assert (key.name, key.made_at, key.revoked_at) == ("alice", 1000, None)
    assert secret not in repr(key)
    assert len(secret) > 40


def test_a_name_may_have_several_while_one_takes_the_place_of_another(keys: Keys) -> None:
    old, new = keys.make("alice", 1000), keys.make("alice", 2000)
    assert keys.owner(hashed(old)) == keys.owner(hashed(new)) == "alice"
    assert keys.revoke(hashed(old)[:8], 3000) == 1
    assert (keys.owner(hashed(old)), keys.owner(hashed(new))) == (None, "alice")


def test_a_name_is_revoked_with_all_its_keys_and_only_once(keys: Keys) -> None:
    mine = [keys.make("alice", 1000), keys.make("alice", 2000)]
    other = keys.make("bob", 1000)
    assert (keys.revoke("alice", 3000), keys.revoke("alice", 4000)) == (2, 0)
    assert [keys.owner(hashed(key)) for key in mine] == [None, None]
    assert keys.owner(hashed(other)) == "bob"
    assert {key.revoked_at for key in keys.all() if key.name == "alice"} == {3000}


@pytest.mark.parametrize("short", ["", "a", "0", hashed("x")[:7]])
def test_too_few_characters_of_a_hash_revoke_nothing(keys: Keys, short: str) -> None:
    keys.make("alice", 1000)
    assert keys.revoke(short, 2000) == 0


@pytest.mark.parametrize("name", ["", "main", "a b", "../a", "a" * 65, "-a", "ä", "a\n"])
def test_what_is_no_name_is_refused(keys: Keys, name: str) -> None:
    with pytest.raises(NameWrong, match="is no name for a key"):
        keys.make(name, 1000)
    assert keys.all() == []


def test_the_database_itself_refuses_the_name_of_the_key_in_the_settings(shop: Shop) -> None:
    database = shop.store.database
    with pytest.raises(MoveRefused), database.writing() as connection:
        database.queries.make_key(connection, sha256="0" * 64, name="main", now=1)


def accept(shop: Shop, job_id: str, limits: Limits, key_id: str = "alice", **more: Any) -> Job:
    arrival = Arrival(job_id, shop.ask(), "test", key_id, **more)
    return shop.store.jobs.accept(arrival, 1000, limits)[0]


def test_one_job_too_many_of_a_key_is_refused_and_leaves_nothing(shop: Shop) -> None:
    limits = Limits(queued=100, key_queued=2)
    accept(shop, "J1", limits)
    accept(shop, "J2", limits)
    with pytest.raises(KeyQueueFull):
        accept(shop, "J3", limits)
    assert shop.store.views.find("J3") is None
    accept(shop, "J4", limits, "bob")
    shop.claim()
    accept(shop, "J5", limits)


def test_the_whole_queue_has_an_end(shop: Shop) -> None:
    limits = Limits(queued=2)
    accept(shop, "J1", limits)
    accept(shop, "J2", limits, "bob")
    with pytest.raises(QueueFull):
        accept(shop, "J3", limits, "carol")
    shop.claim()
    accept(shop, "J3", limits, "carol")


def test_a_key_that_keeps_the_renderers_busy_waits(shop: Shop) -> None:
    limits = Limits(queued=100, key_running=1)
    accept(shop, "J1", limits)
    job = shop.claim()
    with pytest.raises(KeyBusy):
        accept(shop, "J2", limits)
    accept(shop, "J3", limits, "bob")
    shop.finish(job)
    accept(shop, "J2", limits)


def test_a_request_that_came_before_gets_its_job_however_full_it_is(shop: Shop) -> None:
    limits = Limits(queued=1, key_queued=1)
    again = {"idempotency_key": "K", "request_hash": "h"}
    accept(shop, "J1", limits, **again)
    assert accept(shop, "J2", limits, **again).job_id == "J1"
    with pytest.raises(KeyReused):
        accept(shop, "J3", limits, idempotency_key="K", request_hash="other")


def test_a_retry_by_hand_counts_as_well(shop: Shop) -> None:
    shop.complete("J1")
    shop.accept("J2")
    with pytest.raises(QueueFull):
        shop.store.jobs.repeat("J1", "J3", 6000, Limits(queued=1))
    assert shop.store.views.find("J3") is None
    assert shop.store.jobs.repeat("J1", "J3", 6000, Limits(queued=2))


def test_pages_of_a_key_have_its_jobs_alone(shop: Shop, ask: Ask) -> None:
    for number, key_id in enumerate(["alice", "bob", "alice", "main", "alice"]):
        shop.accept(f"J{number}", request=ask(), key_id=key_id)
    views = shop.store.views
    assert [job.job_id for job in views.page(10, key_id="alice")] == ["J4", "J2", "J0"]
    oldest = views.page(10, key_id="alice", oldest_first=True)
    assert [job.job_id for job in oldest] == ["J0", "J2", "J4"]
    assert [job.job_id for job in views.page(10, oldest[0].seq, key_id="alice")] == []
    shop.claim()
    queued = views.page(10, states=[State.QUEUED], key_id="alice", oldest_first=True)
    assert [job.job_id for job in queued] == ["J2", "J4"]
    running = views.page(10, states=[State.PROCESSING], key_id="alice")
    assert [job.job_id for job in running] == ["J0"]
