"""Short histories, each about one condition: without it, one of them goes wrong."""

from collections.abc import Callable
from functools import partial

from battery_debts import DEBTS
from battery_webhooks import WEBHOOKS
from battery_words import claimed, completed, rendered
from contract_shop import LEASE_MS
from history_debts import FullPlay
from jobstore.drains import Reason
from jobstore.job import Kind
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT, STREAK_REST_MS

Scenario = Callable[[FullPlay], object]
MOVES = ("renew", "advance", "finish", "release", "postpone", "fail", "stop")


def one_of_two(play: FullPlay, move: str) -> None:
    """The other job of the same fence stays as it is."""
    one, other = claimed(play), claimed(play, "B")
    if move == "stop":
        play.cancel(one.job_id)
        play.cancel(other.job_id)
    play.pass_time(1)
    getattr(play, move)(one)
    play.pass_time(1)
    getattr(play, move)(other)


def stale(play: FullPlay, move: str) -> None:
    """Somebody else has the job, and is asked to stop."""
    job = claimed(play)
    play.rescue("A")
    play.claim("B")
    getattr(play, move)(job)
    play.cancel(job.job_id)
    getattr(play, move)(job)


def given_back(play: FullPlay, move: str) -> None:
    job = claimed(play)
    play.release(job)
    getattr(play, move)(job)


def already_rendered(play: FullPlay, move: str) -> None:
    job = claimed(play)
    if move == "stop":
        play.cancel(job.job_id)
    play.finish(job)
    getattr(play, move)(job)


def failing(play: FullPlay) -> None:
    job = claimed(play)
    for _ in range(FAILURE_LIMIT):
        play.postpone(job)
        assert play.claim() is None
        play.pass_time(5000)
        job = play.claim() or job


def unwanted(play: FullPlay) -> None:
    play.stop(claimed(play))
    job = claimed(play)
    play.cancel(job.job_id)
    play.postpone(job)


def repeated(play: FullPlay) -> None:
    one, other = claimed(play), claimed(play)
    play.fail(one)
    play.repeat(other.job_id)
    play.fail(other)
    play.repeat(one.job_id)
    play.repeat(one.job_id)
    play.delete(one.job_id)
    play.delete(other.job_id)
    play.repeat(other.job_id)


def asked_again(play: FullPlay) -> None:
    """The library of a caller that heard no answer sends it again; each job is given out once."""
    for digest in ("1", "1", "2"):
        play.accept(digest=digest)
    for digest in ("1", "2", "1", "1"):
        play.accept(digest=digest, retried=True)
    play.read(play.accept(digest="1"))
    play.accept(digest="1", retried=True)


def cancelled(play: FullPlay) -> None:
    one, other = play.accept(), play.accept()
    play.cancel(one)
    play.cancel(one)
    play.claim()
    play.cancel(other)
    play.cancel(rendered(play).job_id)


def rescued(play: FullPlay) -> None:
    claimed(play)
    claimed(play, "B", "I")
    play.rescue("A")
    play.rescue("B")
    play.claim("A")
    play.claim("A", "I")
    play.pass_time(LEASE_MS - 1)
    play.rescue()
    play.pass_time(1)
    play.rescue("C")


def rescued_too_late(play: FullPlay) -> None:
    job = claimed(play)
    play.pass_time(LEASE_MS)
    play.rescue(meanwhile=lambda: play.renew(job))
    play.rescue("A", meanwhile=lambda: play.finish(job))


def rescued_from_somebody_else(play: FullPlay) -> None:
    job = claimed(play)

    def move() -> None:
        play.release(job)
        play.claim("A")

    play.rescue("A", meanwhile=move)


def deleted(play: FullPlay) -> None:
    one, other = completed(play), completed(play)
    play.delete(claimed(play).job_id)
    play.delete(one)
    play.delete(one)
    play.delete(other)


def advanced(play: FullPlay) -> None:
    """One stands further back than the one before it did, and then goes beyond; each is told of a
    wish to stop."""
    job = claimed(play)
    play.advance(job, 3)
    play.release(job)
    again = play.claim("B")
    assert again
    play.advance(again, 1)
    play.advance(again, 4)
    play.cancel(again.job_id)
    play.advance(again, 5)


def calmed(play: FullPlay) -> None:
    claimed(play, "A", "H")
    claimed(play, "B", "I")
    play.rescue("A", "B")
    job = play.claim("A", "H")
    assert job
    play.advance(job)


def resting(play: FullPlay) -> None:
    """One machine rests, the other one works; after its rest it tries again."""
    for _ in range(CRASH_LIMIT + 1):
        claimed(play)
        play.rescue("A")
    play.claim("A", "H")
    play.claim("A", "I")
    play.pass_time(STREAK_REST_MS)
    play.claim("B", "H")


def drained(play: FullPlay) -> None:
    """One machine is drained, ever more strongly, the other one works; then each is let go."""
    play.accept()
    play.begin_drain("H")
    play.claim("A", "H")
    play.pass_time(1)
    play.begin_drain("H")
    play.begin_drain("H", Reason.SPOT, at_once=True)
    play.begin_drain("H")
    play.claim("A", "H")
    play.claim("B", "I")
    play.begin_drain("I")
    play.lift_drain("H", Reason.STOP)
    play.lift_drain("H", Reason.SPOT)
    play.lift_drain("I")
    play.accept()
    play.claim("A", "H")


def pruned(play: FullPlay) -> None:
    """One has failed, one has expired and owes, one has its video still, one came later."""
    play.fail(claimed(play))
    owing = completed(play)
    kept = completed(play)
    play.expire(owing)
    play.pass_time(1000)
    play.fail(claimed(play))
    play.accept()
    play.prune(play.now - 1000)
    play.prune(play.now)
    delivery = play.take(kind=Kind.REMOVAL)
    assert delivery
    play.settle(delivery)
    play.prune(play.now)
    play.expire(kept)


def buried(play: FullPlay) -> None:
    """Those that were deleted have a time of their own, and go once their removal is paid."""
    one, other = completed(play), completed(play)
    play.delete(one)
    play.pass_time(1000)
    play.delete(other)
    completed(play)
    play.prune(0, play.now)
    for _ in range(2):
        removal = play.take(kind=Kind.REMOVAL)
        assert removal
        play.settle(removal)
        play.prune(0, play.now)
    play.prune(0, play.now + 1)


def expired(play: FullPlay) -> None:
    """Once, and only what is completed; deleted later, its removal does not come again."""
    one, other = completed(play), completed(play)
    play.expire(rendered(play).job_id)
    play.expire(one)
    while delivery := play.take(kind=Kind.REMOVAL):
        play.settle(delivery)
    play.pass_time(1)
    play.expire(one)
    play.delete(one)
    play.delete(other)
    while delivery := play.take(kind=Kind.REMOVAL):
        play.settle(delivery)
    play.expire(other)
    play.expire(play.accept())
    failed = claimed(play)
    play.fail(failed)
    play.expire(failed.job_id)


def claimed_in_order(play: FullPlay) -> None:
    for priority in (0, 1, 1):
        play.accept(priority)
    for _ in range(4):
        play.claim()


BATTERY: list[Scenario] = [
    *(claimed_in_order, failing, unwanted, repeated, asked_again, cancelled, rescued),
    *(rescued_too_late, rescued_from_somebody_else, deleted, advanced, calmed, resting, drained),
    *(pruned, buried, expired),
    *(partial(play, move=move) for move in MOVES for play in (one_of_two, stale, given_back)),
    *(partial(already_rendered, move=move) for move in MOVES),
    *DEBTS,
    *WEBHOOKS,
]
