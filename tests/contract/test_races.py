"""Moves that others make between a look and the write that follows from it."""

from collections.abc import Callable
from functools import partial

import pytest

from contract_shop import LEASE_MS, Shop
from interrupted import Interrupted
from jobstore.job import Job, Phase
from jobstore.jobs import CRASH_LIMIT, Jobs
from jobstore.moves import State
from jobstore.store import Store

LATE = 2000 + LEASE_MS

MEANWHILE: dict[str, Callable[[Store, Job], object]] = {
    "renewed": lambda store, job: store.jobs.renew(job, LEASE_MS, LATE),
    "finished": lambda store, job: Shop(store, lambda: job.request).finish(job, LATE),
    "given back": lambda store, job: store.jobs.release(job, LATE),
}


@pytest.mark.parametrize("move", MEANWHILE.values(), ids=MEANWHILE.keys())
def test_a_holder_that_moves_in_time_is_not_rescued(
    shop: Shop, move: Callable[[Store, Job], object]
) -> None:
    """Its lease had run out when the orphans were looked for, but nobody had taken the job."""
    shop.accept()
    job = shop.claim(now=2000)
    database = Interrupted(shop.store.database, lambda: move(shop.store, job))
    assert Jobs(database).rescue([], LATE) == []
    assert shop.found().fence == job.fence


def test_a_step_that_is_finished_in_time_counts(shop: Shop) -> None:
    """The crash is not the job's fault, also when its last words come late."""
    shop.accept()
    for number in range(1, CRASH_LIMIT + 1):
        job = shop.claim()
        step = partial(shop.store.jobs.advance, job, Phase.DENOISING, number, 10)
        database = Interrupted(shop.store.database, step)
        assert [job.state for job in Jobs(database).rescue(["A"], 3000)] == [State.QUEUED]
    assert not shop.store.jobs.is_resting("H", 3000)
