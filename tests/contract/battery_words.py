"""The beginnings that the histories of the battery share."""

from history_debts import FullPlay
from jobstore.job import Delivery, Job


def claimed(play: FullPlay, owner: str = "A", host: str = "H") -> Job:
    play.accept()
    job = play.claim(owner, host)
    assert job
    return job


def rendered(play: FullPlay, host: str = "H") -> Job:
    job = claimed(play)
    play.finish(job, host)
    return job


def taken(play: FullPlay, owner: str = "D") -> Delivery:
    rendered(play)
    delivery = play.take(owner)
    assert delivery
    return delivery


def completed(play: FullPlay) -> str:
    delivery = taken(play)
    play.settle(delivery)
    return delivery.job_id
