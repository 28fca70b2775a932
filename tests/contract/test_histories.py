"""Thousands of made-up histories: the store does what a few lists in memory say, on both databases.

What a refused move must not do, what ends must stay ended, and who may hold what, is held to the
rows themselves after every step (`history_watch.py`); in the end everything comes to its end.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contract_shop import LEASE_MS, Ask
from history_debts import HOSTS, FullPlay, owed
from history_play import Figures, held, hurry
from jobstore.arrivals import RETRIED_MS
from jobstore.drains import Reason
from jobstore.job import Delivery, Job, Kind
from jobstore.jobs import STREAK_REST_MS
from jobstore.store import Store

SHORT, LONG = 100, 1000  # histories on each database
STEPS = 80
HOOK = "https://hooks.example/"

T = TypeVar("T")

owners = st.sampled_from("ABC")
payers = st.sampled_from("DE")
hosts = st.sampled_from(HOSTS)
reasons = st.sampled_from(Reason)
leases = st.sampled_from([LEASE_MS, 1000])
kinds = st.sampled_from(Kind)
pick = st.integers(0, 5)  # counted from the newest
spans = st.sampled_from([1, 5000, LEASE_MS, STREAK_REST_MS, RETRIED_MS, -3000, -LEASE_MS])
claim_moves = st.sampled_from(["renew", "advance", "release", "fail", "postpone", "stop"])
endings = st.sampled_from(["fail", "postpone", "stop", "release"])
debt_moves = st.sampled_from(["renew_debt", "settle", "postpone_debt", "lose", "keep"])
kinds = st.sampled_from([Kind.VIDEO, Kind.REMOVAL])


def newest(known: Sequence[T], back: int) -> T:
    return known[-1 - back % len(known)]


class Histories(RuleBasedStateMachine):
    """What callers, renderers and deliverers of two machines may do, in any order."""

    play: FullPlay

    def job(self, back: int, *, stands: bool = True) -> Job:
        """Choose a claim that stands or a stale one; any, if there is none of that kind."""
        claims = self.play.claims
        fitting = [job for job in claims if self.play.model.stands(held(job)) is stands]
        return newest(fitting or claims, back)

    def delivery(self, back: int, *, stands: bool = True) -> Delivery:
        deliveries = self.play.deliveries
        fitting = [row for row in deliveries if self.play.model.stands(owed(row)) is stands]
        return newest(fitting or deliveries, back)

    def job_id(self, back: int) -> str:
        return newest([*self.play.model.events] or ["J0"], back)

    def has_claims(self) -> bool:
        return bool(self.play.claims)

    def has_deliveries(self) -> bool:
        return bool(self.play.deliveries)

    @rule(priority=st.integers(-1, 2))
    def accept(self, priority: int) -> None:
        self.play.accept(priority)

    @rule()
    def accept_with_webhook(self) -> None:
        self.play.accept(webhook_url=HOOK)

    @rule(back=pick)
    def resend(self, back: int) -> None:
        self.play.resend(self.job_id(back))

    @rule(key=st.sampled_from("KL"), digest=st.sampled_from("12"))
    def accept_with_key(self, key: str, digest: str) -> None:
        self.play.accept(0, key, digest)

    @rule(digest=st.sampled_from("12"), retried=st.booleans())
    def accept_unread(self, digest: str, *, retried: bool) -> None:
        self.play.accept(0, None, digest, retried=retried)

    @rule(back=pick)
    def read(self, back: int) -> None:
        self.play.read(self.job_id(back))

    @rule(owner=owners, host=hosts, lease_ms=leases)
    def claim(self, owner: str, host: str, lease_ms: int) -> None:
        self.play.claim(owner, host, lease_ms)

    @rule(host=hosts, reason=reasons, at_once=st.booleans())
    def begin_drain(self, host: str, reason: Reason, *, at_once: bool) -> None:
        self.play.begin_drain(host, reason, at_once=at_once or reason is Reason.SPOT)

    @rule(host=hosts, reason=st.one_of(reasons, st.none()))
    def lift_drain(self, host: str, reason: Reason | None) -> None:
        self.play.lift_drain(host, reason)

    @rule(host=hosts)
    def lift_every_drain(self, host: str) -> None:
        """Most of the time machines work."""
        self.play.lift_drain(host)

    @rule(owner=owners, host=hosts)
    def claim_and_die(self, owner: str, host: str) -> None:
        self.play.claim(owner, host)
        self.play.rescue(owner)

    @precondition(has_claims)
    @rule(move=endings, back=pick)
    def give_up(self, move: str, back: int) -> None:
        getattr(self.play, move)(self.job(back))

    @precondition(has_claims)
    @rule(move=claim_moves, back=pick)
    def move(self, move: str, back: int) -> None:
        getattr(self.play, move)(self.job(back))

    @precondition(has_claims)
    @rule(move=st.one_of(claim_moves, st.just("finish")), back=pick)
    def move_stale(self, move: str, back: int) -> None:
        getattr(self.play, move)(self.job(back, stands=False))

    @precondition(has_claims)
    @rule(back=pick, host=hosts)
    def finish(self, back: int, host: str) -> None:
        self.play.finish(self.job(back), host)

    @precondition(has_claims)
    @rule(back=pick, step=st.integers(0, 3))
    def step(self, back: int, step: int) -> None:
        self.play.advance(self.job(back), step)

    @rule(back=pick)
    def cancel(self, back: int) -> None:
        self.play.cancel(self.job_id(back))

    @rule(dead=st.sets(owners, max_size=2))
    def rescue(self, dead: set[str]) -> None:
        self.play.rescue(*sorted(dead))

    @precondition(has_claims)
    @rule(dead=st.sets(owners, min_size=1), move=claim_moves, back=pick)
    def rescue_meanwhile(self, dead: set[str], move: str, back: int) -> None:
        job = self.job(back)
        self.play.rescue(*sorted(dead), meanwhile=lambda: getattr(self.play, move)(job))

    @rule(span=spans)
    def pass_time(self, span: int) -> None:
        self.play.pass_time(span)

    @rule(back=pick)
    def repeat(self, back: int) -> None:
        self.play.repeat(self.job_id(back))

    @rule(back=pick)
    def delete(self, back: int) -> None:
        self.play.delete(self.job_id(back))

    @rule(owner=payers, host=hosts, lease_ms=leases, kind=kinds)
    def take(self, owner: str, host: str, lease_ms: int, kind: Kind) -> None:
        self.play.take(owner, host, lease_ms, kind)

    @rule(host=hosts)
    def owe_kept(self, host: str) -> None:
        self.play.owe_kept(host)

    @rule(host=hosts, most=st.integers(1, 3))
    def hasten(self, host: str, most: int) -> None:
        self.play.hasten(host, most)

    @precondition(has_deliveries)
    @rule(move=debt_moves, back=pick)
    def move_debt(self, move: str, back: int) -> None:
        getattr(self.play, move)(self.delivery(back))

    @precondition(has_deliveries)
    @rule(move=debt_moves, back=pick)
    def move_stale_debt(self, move: str, back: int) -> None:
        getattr(self.play, move)(self.delivery(back, stands=False))

    @rule(dead=st.sets(payers))
    def rescue_debts(self, dead: set[str]) -> None:
        self.play.rescue_debts(*sorted(dead))

    @precondition(has_deliveries)
    @rule(back=pick)
    def expire(self, back: int) -> None:
        self.play.expire(newest(self.play.deliveries, back).job_id)

    @rule(ages_ms=st.tuples(*[st.sampled_from([0, 5000])] * 2), most=st.sampled_from([1, 100]))
    def prune(self, ages_ms: tuple[int, int], most: int) -> None:
        ended, buried = (self.play.now - age_ms for age_ms in ages_ms)
        self.play.prune(ended, buried, most)

    def teardown(self) -> None:
        if self.play.sound:
            self.play.drain()


def run(store: Store, ask: Ask, histories: int, **more: Any) -> Figures:
    figures = Figures()
    kind = hurry(store)

    class Here(Histories):
        def __init__(self) -> None:
            super().__init__()
            self.play = FullPlay(store, ask, figures)

    limits = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        **more,
    )
    run_state_machine_as_test(Here, settings=limits)
    print(f"figure: {kind}: {figures}")
    return figures


def test_histories(store: Store, ask: Ask) -> None:
    """The same ones each time, so that a red run is red again."""
    figures = run(store, ask, SHORT, derandomize=True)
    assert figures.histories >= SHORT
    assert figures.refused > SHORT


@pytest.mark.long
def test_many_histories(store: Store, ask: Ask) -> None:
    """Others each time; a red run prints how to see it again."""
    figures = run(store, ask, LONG)
    assert figures.histories >= LONG
