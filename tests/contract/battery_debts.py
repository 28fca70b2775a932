"""Short histories about what is owed, each about one condition of the outbox."""

from collections.abc import Callable
from functools import partial

from battery_words import completed, rendered, taken
from contract_shop import LEASE_MS
from history_debts import FullPlay
from jobstore.job import Kind

DEBT_MOVES = ("renew_debt", "settle", "postpone_debt", "lose", "keep")


def one_debt_of_two(play: FullPlay, move: str) -> None:
    one, other = taken(play), taken(play)
    play.pass_time(1)
    getattr(play, move)(one)
    play.pass_time(1)
    getattr(play, move)(other)


def stale_debt(play: FullPlay, move: str) -> None:
    delivery = taken(play)
    play.rescue_debts("D")
    play.take("E")
    getattr(play, move)(delivery)


def closed_debt(play: FullPlay, move: str) -> None:
    delivery = taken(play)
    play.settle(delivery)
    play.pass_time(1)
    getattr(play, move)(delivery)


def other_kind_of_debt(play: FullPlay, move: str) -> None:
    """The holder of a video comes late, to the removal of the same job with the same fence."""
    delivery = taken(play)
    play.rescue_debts("D")
    again = play.take("E")
    assert again
    play.settle(again)
    play.delete(again.job_id)
    play.take("E", kind=Kind.REMOVAL)
    getattr(play, move)(delivery)


def removal_given_up(play: FullPlay) -> None:
    play.delete(completed(play))
    removal = play.take(kind=Kind.REMOVAL)
    assert removal
    play.lose(removal)


def debts_in_order(play: FullPlay) -> None:
    rendered(play, "H")
    rendered(play, "H")
    play.take(host="I")
    delivery = play.take()
    assert delivery
    play.postpone_debt(delivery)
    play.take()
    play.take()
    play.pass_time(5000)
    play.take()


def kept(play: FullPlay) -> str:
    delivery = taken(play)
    play.keep(delivery)
    return delivery.job_id


def kept_until_there_is_a_bucket(play: FullPlay) -> None:
    """One machine gets a bucket, the other does not; what was delivered stays so."""
    completed(play)
    kept(play)
    rendered(play, "I")
    other = play.take(host="I")
    assert other
    play.keep(other)
    play.owe_kept("H")
    delivery = play.take()
    assert delivery
    play.pass_time(1)
    play.settle(delivery)


def deleted_before_there_was_a_bucket(play: FullPlay) -> None:
    completed(play)
    one, other = kept(play), kept(play)
    play.delete(one)
    play.owe_kept()
    play.delete(other)
    play.take()
    play.take(kind=Kind.REMOVAL)


def deleted_during_the_upload(play: FullPlay) -> None:
    """The removal waits for the upload, and only for that of its own job."""
    one, other = kept(play), kept(play)
    play.owe_kept()
    upload = play.take()
    assert upload
    play.delete(one)
    play.take(kind=Kind.REMOVAL)
    play.delete(other)
    play.take(kind=Kind.REMOVAL)
    play.postpone_debt(upload)
    play.take(kind=Kind.REMOVAL)
    play.delete(kept(play))
    rendered(play)
    play.take(kind=Kind.REMOVAL)
    play.pass_time(5000)
    again = play.take()
    assert again
    play.settle(again)
    while play.take(kind=Kind.REMOVAL):
        pass


def expired_before_there_was_a_bucket(play: FullPlay) -> None:
    """One that is owed meanwhile is left, until it is delivered."""
    one, other = kept(play), kept(play)
    play.expire(one)
    play.owe_kept()
    play.expire(other)
    delivery = play.take()
    assert delivery
    play.expire(other)
    play.settle(delivery)
    play.expire(other)
    play.take(kind=Kind.REMOVAL)


def hastened(play: FullPlay) -> None:
    """A removal, which waits to look once more, is left to wait."""
    play.delete(completed(play))
    removal = play.take(kind=Kind.REMOVAL)
    assert removal
    play.postpone_debt(removal)
    rendered(play, "I")
    for delivery in [taken(play), taken(play), taken(play)]:
        play.postpone_debt(delivery)
    other = play.take(host="I")
    assert other
    play.postpone_debt(other, 4500)
    play.pass_time(4000)
    play.hasten("H")
    play.hasten("H", 1)
    rendered(play)
    held = play.take()
    assert held
    play.hasten("H", 5)
    while play.take():
        pass


def rescued_debts(play: FullPlay) -> None:
    taken(play)
    taken(play, "E")
    play.rescue_debts("D")
    play.pass_time(LEASE_MS)
    play.rescue_debts()


DEBTS: list[Callable[[FullPlay], object]] = [
    *(debts_in_order, rescued_debts, removal_given_up, kept_until_there_is_a_bucket, hastened),
    *(deleted_before_there_was_a_bucket, deleted_during_the_upload),
    expired_before_there_was_a_bucket,
    *(
        partial(play, move=move)
        for move in DEBT_MOVES
        for play in (one_debt_of_two, stale_debt, closed_debt, other_kind_of_debt)
    ),
]
