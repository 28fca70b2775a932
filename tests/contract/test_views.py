"""What people ask of the store: true answers, that do not slow down with the history."""

import re
from collections.abc import Callable
from functools import partial

import pytest

from contract_shop import SHA, VIDEO, Ask, Shop
from jobstore.database import SQL
from jobstore.job import Job, Phase
from jobstore.moves import State


def test_a_place_counts_from_one_among_the_queued(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    position = shop.store.views.position
    assert [position(job_id) for job_id in ("J1", "J2", "J3", "J9")] == [1, 2, 3, None]
    shop.claim()
    assert [position(job_id) for job_id in ("J1", "J2", "J3")] == [None, 1, 2]


def test_counts_by_state(shop: Shop) -> None:
    shop.complete("J1")
    shop.accept("J2")
    shop.store.jobs.cancel("J2", 6000)
    for job_id in ("J3", "J4", "J5"):
        shop.accept(job_id)
    shop.finish(shop.claim())
    shop.claim()
    counts = shop.store.views.counts(ended_since=0)
    assert counts == {
        State.QUEUED: 1,
        State.PROCESSING: 1,
        State.RENDERED: 1,
        State.COMPLETED: 1,
        State.FAILED: 0,
        State.CANCELLED: 1,
    }
    later = shop.store.views.counts(ended_since=6000)
    assert (later[State.COMPLETED], later[State.CANCELLED]) == (0, 1)


def test_what_a_machine_has_in_hand(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    in_hand = shop.store.views.in_hand
    shop.finish(shop.claim())
    job = shop.claim(host="I")
    assert (in_hand("H"), in_hand("I")) == ((0, 1), (1, 0))
    delivery = shop.take()
    assert in_hand("H") == (0, 1)
    shop.store.outbox.settle(delivery, 1000, SHA, 5000)
    shop.store.jobs.delete("J1", 6000)  # a removal is owed: nothing that only one machine can do
    shop.finish(job, host="I")
    assert (in_hand("H"), in_hand("I")) == ((0, 0), (0, 1))


def ids(jobs: list[Job]) -> list[str]:
    return [job.job_id for job in jobs]


def test_pages_go_back_in_time_without_gaps(shop: Shop) -> None:
    for number in range(1, 6):
        shop.accept(f"J{number}")
    page = shop.store.views.page
    first = page(2)
    assert ids(first) == ["J5", "J4"]
    shop.accept("J6")
    second = page(2, after=first[-1].seq)
    assert ids(second) == ["J3", "J2"]
    assert ids(page(2, after=second[-1].seq)) == ["J1"]


def test_pages_go_forward_in_time_without_gaps(shop: Shop) -> None:
    for number in range(1, 6):
        shop.accept(f"J{number}")
    first = shop.store.views.page(3, oldest_first=True)
    assert ids(first) == ["J1", "J2", "J3"]
    assert ids(shop.store.views.page(3, first[-1].seq, oldest_first=True)) == ["J4", "J5"]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_page_can_be_of_some_states(shop: Shop, *, oldest_first: bool) -> None:
    """What is rendered lies between two that are processed; both are what a caller asks for."""
    for number in range(1, 6):
        shop.accept(f"J{number}")
    shop.claim()
    shop.finish(shop.claim())
    shop.claim()
    work = (State.PROCESSING, State.RENDERED)
    page = partial(shop.store.views.page, states=work, oldest_first=oldest_first)
    expected = ["J1", "J2", "J3"] if oldest_first else ["J3", "J2", "J1"]
    assert ids(page(5)) == expected
    first = page(2)
    assert ids(first) == expected[:2]
    assert ids(page(2, first[-1].seq)) == expected[2:]
    assert ids(shop.store.views.page(5, states=[State.QUEUED])) == ["J5", "J4"]
    assert shop.store.views.page(5, states=[State.FAILED]) == []


def test_where_a_video_lies_is_told_once_it_is_rendered(shop: Shop) -> None:
    shop.accept()
    assert shop.store.views.video("J1") is None
    shop.finish(shop.claim())
    assert shop.store.views.video("J1") == VIDEO


def test_a_history_tells_every_change(shop: Shop) -> None:
    shop.accept(now=1000)
    job = shop.claim(now=2000)
    shop.store.jobs.release(job, 3000)
    history = shop.store.views.history("J1")
    assert [(event.state, event.fence, event.at) for event in history] == [
        ("queued", 0, 1000),
        ("processing", 1, 2000),
        ("queued", 1, 3000),
    ]


def test_an_estimate_adds_up_what_stands_before_the_end(shop: Shop, ask: Ask) -> None:
    """Steps of 0.3 s at one shape, of 2 s at another; the running job has done 3 of its 4 steps."""
    views = shop.store.views
    for number, step_ms in enumerate([9000, 100, 200, 300, 400, 500]):
        shop.accept(f"J{number}")
        assert views.eta_s(f"J{number}") == (None if number == 0 else pytest.approx(ETA[number]))
        shop.store.jobs.finish(shop.claim(), "H", shop.video(number), step_ms, 3000)
    shop.accept("slow", request=ask(num_frames=9))
    shop.store.jobs.finish(shop.claim(), "H", shop.video(9), 2000, 3000)
    assert views.eta_s("slow") is None, "it is rendered"
    shop.accept("running", request=ask(steps=4))
    running = shop.claim()
    shop.accept("behind", request=ask(steps=10))
    shop.accept("slow behind", request=ask(steps=5, num_frames=9))
    shop.accept("first", request=ask(steps=20), priority=5)
    shop.store.jobs.advance(running, Phase.DENOISING, 3, 50)
    assert views.eta_s("running") == pytest.approx(0.3)
    assert views.eta_s("first") == pytest.approx(0.3 + 6)
    assert views.eta_s("behind") == pytest.approx(0.3 + 6 + 3)
    assert views.eta_s("slow behind") == pytest.approx(0.3 + 6 + 3 + 10)
    shop.claim()
    assert views.eta_s("slow behind") == pytest.approx((0.3 + 6 + 3) / 2 + 10), "two at work"
    shop.store.jobs.release(running, 3000)
    assert views.eta_s("running") == pytest.approx(6 + 0.3), "it goes on from where it stood"
    shop.accept("never rendered", request=ask(num_frames=13))
    assert views.eta_s("never rendered") is None


ETA = [0, 27, 13.65, 0.6, 0.75, 0.9]  # three steps, by the median of the renders so far


FULL_SCAN = re.compile(
    r"SCAN (jobs|job_events|outbox|ahead|me)\b(?! USING (COVERING )?INDEX)|Seq Scan"
)


def named_statements() -> list[str]:
    files = [*SQL.glob("*.sql"), SQL / "sqlite" / "claims.sql"]
    script = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return sorted(set(re.findall(r"-- name: (\w+)\(", script)) - SMALL)


# Those that touch tables that stay small.
SMALL = {
    "make_migrations",
    "last_migration",
    "record_migration",
    "all_stages",
    "beat_stage",
    "drop_stage",
    "host_streak",
    "calm_host",
    "crash_host",
    "make_key",
    "key_owner",
    "all_keys",
    "revoke_key",
}


TEXTS = {
    *("job_id", "again_id", "owner", "dead_owner", "host", "key_id", "idempotency_key", "key"),
    *("request", "request_hash", "shape", "source", "phase", "error", "error_code", "kind"),
    *("path", "sha256", "topic", "crashed_id", "unread_hash", "state", "image", "webhook_url"),
}


@pytest.fixture
def explain(shop: Shop) -> Callable[[str], str]:
    """Ask the database how it would run a statement, as if every table were large."""

    def plan(name: str) -> str:
        function = getattr(shop.store.database.queries, name)
        values = {name: "x" if name in TEXTS else 1 for name in function.parameters or []}
        with shop.store.database.writing() as connection:
            if "sqlite" in type(shop.store.database).__module__:
                rows = connection.execute(f"EXPLAIN QUERY PLAN {function.sql}", values).fetchall()
                return "\n".join(row["detail"] for row in rows)
            connection.execute("SET LOCAL enable_seqscan = off")
            connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            rows = connection.execute(f"EXPLAIN {function.sql}", values).fetchall()
            return "\n".join(str(row["QUERY PLAN"]) for row in rows)

    return plan


@pytest.mark.parametrize("name", named_statements())
def test_no_statement_reads_a_whole_table(name: str, explain: Callable[[str], str]) -> None:
    plan = explain(name)
    assert not FULL_SCAN.search(plan), plan
