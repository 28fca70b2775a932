"""The heartbeat keeps alive what is held, each by itself, until it is let go or lost."""

import structlog
from structlog.testing import capture_logs

from jobstore.errors import LeaseLost, StoreUnavailable
from runner.heartbeat import Heartbeat


def test_each_hold_is_renewed_until_it_is_let_go() -> None:
    beats: list[str] = []
    heartbeat = Heartbeat(lambda: beats.append("beat"))
    first = heartbeat.hold(lambda: beats.append("first"))
    with heartbeat.hold(lambda: beats.append("second")):
        heartbeat.tick()
        first.let_go()
        heartbeat.tick()
    heartbeat.tick()
    assert beats == ["beat", "first", "second", "beat", "second", "beat"]


def test_a_lost_one_is_told_of_once_in_its_own_context_and_the_other_lives_on() -> None:
    renewed: list[str] = []

    def lose() -> None:
        raise LeaseLost

    heartbeat = Heartbeat(lambda: None)
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        with structlog.contextvars.bound_contextvars(job_id="J1"):
            lost = heartbeat.hold(lose)
        kept = heartbeat.hold(lambda: renewed.append("J2"))
        heartbeat.tick()
        heartbeat.tick()
    assert [(log["event"], log["job_id"]) for log in logs] == [("lease.lost", "J1")]
    assert (lost.lost.is_set(), kept.lost.is_set(), renewed) == (True, False, ["J2", "J2"])


def test_a_busy_store_loses_nothing() -> None:
    answers = iter([StoreUnavailable("busy"), None])
    renewed = []

    def renew() -> None:
        answer = next(answers)
        if answer:
            raise answer
        renewed.append(1)

    heartbeat = Heartbeat(lambda: None)
    hold = heartbeat.hold(renew)
    with capture_logs() as logs:
        heartbeat.tick()
        heartbeat.tick()
    assert [log["event"] for log in logs] == ["heartbeat.missed"]
    assert (renewed, hold.lost.is_set()) == ([1], False)
