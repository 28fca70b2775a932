"""What becomes of jobs whose holder died, and of machines that kill their renderers."""

import pytest

from contract_shop import LEASE_MS, Shop
from jobstore.job import Job, Phase
from jobstore.jobs import CRASH_LIMIT, STREAK_REST_MS
from jobstore.moves import State


@pytest.mark.parametrize("by", ["dead owner", "lease"])
def test_a_rescue_takes_back_at_once(shop: Shop, by: str) -> None:
    shop.accept()
    shop.claim(now=2000)
    assert shop.store.jobs.rescue(["X"], 2000 + LEASE_MS - 1) == []
    dead, now = (["X", "A"], 2001) if by == "dead owner" else ([], 2000 + LEASE_MS)
    (job,) = shop.store.jobs.rescue(dead, now)
    assert (job.state, job.fence) == ("queued", 2)
    assert shop.claim(now=now).fence == 3


def test_a_rescued_job_keeps_its_place(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    shop.claim()
    shop.store.jobs.rescue(["A"], 3000)
    assert shop.claim().job_id == "J1"


def test_a_renewed_lease_is_left_alone(shop: Shop) -> None:
    shop.accept()
    shop.store.jobs.renew(shop.claim(now=2000), LEASE_MS, 50_000)
    assert shop.store.jobs.rescue(["B"], 2000 + LEASE_MS) == []


def test_a_job_that_crashes_every_renderer_is_given_up(shop: Shop) -> None:
    shop.accept()
    states = []
    for _ in range(CRASH_LIMIT):
        shop.claim()
        states += [job.state for job in shop.store.jobs.rescue(["A"], 3000)]
    assert states == ["queued"] * (CRASH_LIMIT - 1) + ["failed"]
    assert shop.found().error_code == "renderer_crashed"
    assert shop.found().ended_at == 3000


def test_a_crash_after_a_step_further_is_not_the_jobs_fault(shop: Shop) -> None:
    shop.accept()
    for step in range(1, CRASH_LIMIT * 2):
        shop.store.jobs.advance(shop.claim(), Phase.DENOISING, step, 10)
        (job,) = shop.store.jobs.rescue(["A"], 3000)
        assert job.state is State.QUEUED


def test_a_crash_that_always_comes_at_the_same_step_is_the_jobs_fault(shop: Shop) -> None:
    """One that kills the renderer while its frames are decoded, say: all steps are done by then."""
    shop.accept()
    states = []
    for _ in range(CRASH_LIMIT + 1):
        shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 5, 10)
        states += [job.state for job in shop.store.jobs.rescue(["A"], 3000)]
    assert states == ["queued"] * CRASH_LIMIT + ["failed"]


def test_what_was_found_in_a_checkpoint_is_no_step_of_the_claim(shop: Shop) -> None:
    """A claim that goes on after a step, and crashes before the next, has finished none; were it
    counted, the job would crash renderers for ever, and the machine never come to rest."""
    shop.accept()
    states = []
    for _ in range(CRASH_LIMIT):
        job = shop.claim()
        shop.store.jobs.advance(job, Phase.DENOISING, 5, 10, began_at=5)
        assert shop.found().step == 5
        states += [job.state for job in shop.store.jobs.rescue(["A"], 3000)]
    assert states == ["queued"] * (CRASH_LIMIT - 1) + ["failed"]


def test_the_first_step_after_a_checkpoint_is_one(shop: Shop) -> None:
    shop.accept()
    for step in range(CRASH_LIMIT * 2):
        job = shop.claim()
        for done in (step, step + 1):
            shop.store.jobs.advance(job, Phase.DENOISING, done, 10, began_at=step)
        (job,) = shop.store.jobs.rescue(["A"], 3000)
        assert (job.state, job.crashes) == (State.QUEUED, 0)


def test_what_was_found_in_a_checkpoint_does_not_calm_the_machine(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    for _ in range(CRASH_LIMIT + 1):
        shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 5, 10, began_at=5)
        shop.store.jobs.rescue(["A"], 3000)
    assert shop.idle(4000)


def test_a_new_job_is_due_whatever_the_clock_says(shop: Shop) -> None:
    """It was set back after the job was accepted."""
    shop.accept(now=10_000_000)
    shop.finish(shop.claim(now=1000), now=9_000_000)
    assert shop.take(now=1000)


def crash(shop: Shop, now: int = 3000, host: str = "H") -> Job:
    shop.claim(now=now, host=host)
    (job,) = shop.store.jobs.rescue(["A"], now)
    return job


def test_one_job_that_crashes_does_not_stop_the_machine(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    for _ in range(CRASH_LIMIT):
        assert crash(shop).job_id == "J1"
    assert shop.claim().job_id == "J2"


def test_different_jobs_that_crash_in_a_row_stop_the_claiming(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    for _ in range(CRASH_LIMIT):
        crash(shop, now=3000)
    crash(shop, now=4000)
    assert shop.idle(5000)
    assert shop.store.jobs.is_resting("H", 5000)
    assert shop.claim(now=5000, host="another").job_id == "J2", "another machine goes on"


def test_a_machine_that_crashed_tries_again_after_a_rest(shop: Shop) -> None:
    for job_id in ("J1", "J2", "J3"):
        shop.accept(job_id)
    for _ in range(CRASH_LIMIT + 1):
        crash(shop, now=4000)
    assert shop.idle(4000 + STREAK_REST_MS - 1)
    job = shop.claim(now=4000 + STREAK_REST_MS)
    shop.store.jobs.advance(job, Phase.DENOISING, 1, 10)
    shop.store.jobs.rescue(["A"], 5000 + STREAK_REST_MS)
    assert not shop.store.jobs.is_resting("H", 5000 + STREAK_REST_MS)


def test_a_finished_step_calms_the_machine(shop: Shop) -> None:
    shop.accept("J1")
    shop.accept("J2")
    crash(shop)
    shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 1, 10)
    shop.store.jobs.rescue(["A"], 3000)
    shop.store.jobs.cancel("J1", 3000)
    crash(shop)
    assert not shop.idle(3500)


def test_who_crashed_beside_a_job_that_had_stepped_does_not_blame_the_machine(shop: Shop) -> None:
    """A renderer may hold two jobs: one whose video is made, and the next, which has just begun."""
    shop.accept("J1")
    shop.accept("J2")
    shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 5, 10)
    shop.claim()
    shop.store.jobs.rescue(["A"], 3000)
    shop.store.jobs.advance(shop.claim(), Phase.DENOISING, 5, 10, began_at=5)
    shop.store.jobs.rescue(["A"], 4000)
    assert not shop.store.jobs.is_resting("H", 4500)
