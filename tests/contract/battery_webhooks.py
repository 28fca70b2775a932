"""Short histories of webhooks, each about one condition, as those in `battery.py`."""

from collections.abc import Callable
from functools import partial

from history_debts import FullPlay
from jobstore.job import Delivery, Kind
from jobstore.jobs import CRASH_LIMIT

HOOK = "https://hooks.example/"
MOVES = ("renew_debt", "settle", "postpone_debt", "lose")


def ended(play: FullPlay) -> str:
    """End a job whose end is to be told."""
    job_id = play.accept(webhook_url=HOOK)
    play.cancel(job_id)
    return job_id


def told(play: FullPlay, owner: str = "D", host: str = "H") -> Delivery:
    """Take the webhook that is due longest; any machine can."""
    delivery = play.take(owner, host, kind=Kind.WEBHOOK)
    assert delivery
    return delivery


def of_every_end(play: FullPlay) -> None:
    """Cancelled, stopped, released, failed, crashed, completed, lost: each is told once."""
    ended(play)
    for end in ("stop", "release", "fail", "settle", "lose"):
        job_id = play.accept(webhook_url=HOOK)
        job = play.claim()
        assert job
        if end in {"stop", "release"}:
            play.cancel(job_id)
        if end in {"settle", "lose"}:
            play.finish(job)
            delivery = play.take()
            assert delivery
            getattr(play, end)(delivery)
        else:
            getattr(play, end)(job)
    play.accept(webhook_url=HOOK)
    for _ in range(CRASH_LIMIT):
        play.claim()
        play.rescue("A")
    for host in "HIHIHIHI":
        if delivery := play.take(host=host, kind=Kind.WEBHOOK):
            play.settle(delivery)


def nobody_is_told(play: FullPlay) -> None:
    play.cancel(play.accept())
    play.take(kind=Kind.WEBHOOK)


def of_its_own_kind(play: FullPlay) -> None:
    """Whoever asks for one kind gets no other: a video, its removal, and the webhook of one job."""
    job_id = play.accept(webhook_url=HOOK)
    job = play.claim()
    assert job
    play.finish(job)
    for kind in (Kind.WEBHOOK, Kind.REMOVAL):
        play.take(kind=kind)
    delivery = play.take()
    assert delivery
    play.settle(delivery)
    play.take()
    play.delete(job_id)
    for kind in Kind:
        play.take(kind=kind)


def sent_again(play: FullPlay, end: str) -> None:
    """One of two that were closed or put off is sent once more; the other stays as it is."""
    one, other = ended(play), ended(play)
    for _ in range(2):
        getattr(play, end)(told(play))
    play.resend(one)
    play.settle(told(play))
    play.take(kind=Kind.WEBHOOK)
    play.resend(other)
    play.resend("J0")


def sent_again_meanwhile(play: FullPlay) -> None:
    job_id = ended(play)
    delivery = told(play)
    play.resend(job_id)
    play.settle(delivery)


def sent_again_beside_a_video(play: FullPlay) -> None:
    """Neither a video that was lost nor one that is owed is owed anew by that."""
    job_id = play.accept(webhook_url=HOOK)
    job = play.claim()
    assert job
    play.finish(job)
    play.resend(job_id)
    delivery = play.take()
    assert delivery
    play.lose(delivery)
    play.lose(told(play))
    play.resend(job_id)


def late(play: FullPlay, move: str) -> None:
    """Its holder comes late, after somebody else has told it."""
    ended(play)
    delivery = told(play)
    play.rescue_debts("D")
    play.settle(told(play, "E", "I"))
    getattr(play, move)(delivery)


def retried(play: FullPlay) -> None:
    """The end of a job's retry is told as well."""
    job_id = ended(play)
    play.repeat(job_id)
    job = play.claim()
    assert job
    play.fail(job)
    for _ in range(3):
        play.take(kind=Kind.WEBHOOK)


def pruned(play: FullPlay) -> None:
    """A job whose end is not told yet is not forgotten."""
    ended(play)
    play.pass_time(1)
    play.prune()
    play.settle(told(play))
    play.prune()


WEBHOOKS: list[Callable[[FullPlay], object]] = [
    *(of_every_end, nobody_is_told, of_its_own_kind, sent_again_meanwhile),
    *(sent_again_beside_a_video, retried, pruned),
    *(partial(sent_again, end=end) for end in ("settle", "lose", "postpone_debt")),
    *(partial(late, move=move) for move in MOVES),
]
