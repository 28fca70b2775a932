"""Checkpoints beside a render: cheap, never in its way, and there when they are wanted."""

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from jobstore.abilities import Abilities
from jobstore.job import Job, Request
from runner.render.checkpoint import Checkpoint, Identity, find, identity, path_of
from runner.render.keep import SHARE, Checkpoints, Pace
from runner.render.scheduler import State

Ask = Callable[..., Request]
Claim = Callable[..., Job]
Keep = Callable[..., Checkpoints]


class Scheduler:
    """Keeps the output of the last step, as the real one does."""

    def __init__(self) -> None:
        self.output = torch.zeros(1)

    def state(self) -> State:
        return {"model_outputs.1": self.output}


@pytest.fixture
def job(claim: Claim, ask: Ask) -> Job:
    return claim(ask())


@pytest.fixture
def whose(job: Job, embedded: Path) -> Identity:
    return identity(job, Abilities.read(embedded))


@pytest.fixture
def keep(tmp_path: Path, job: Job, whose: Identity) -> Iterator[Keep]:
    """Keep checkpoints as a claim would; of each a later one can be made by a higher fence."""
    opened = []

    def make(fence: int = 1, *, every_step: bool = True, folder: Path = tmp_path) -> Checkpoints:
        claim = replace(job, fence=fence)
        opened.append(Checkpoints(folder, claim, whose, every_step=every_step))
        return opened[-1]

    yield make
    for kept in opened:
        kept.__exit__()


def step(kept: Checkpoints, number: int, size: int = 4) -> torch.Tensor:
    """Finish a step; answers its latents."""
    scheduler = Scheduler()
    scheduler.output = torch.full((size,), float(number))
    latents = torch.full((size,), number / 2)
    kept.after_step(number, latents, scheduler)
    return latents


def on_disk(folder: Path, job: Job, whose: Identity) -> int | None:
    found = find(folder, job.job_id, whose)
    return found.step if found else None


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if "ckpt" in file.name)


def test_each_step_is_on_the_disk_before_the_next_begins_if_asked(
    keep: Keep, tmp_path: Path, job: Job, whose: Identity
) -> None:
    kept = keep()
    for number in (1, 2, 3):
        step(kept, number)
        assert on_disk(tmp_path, job, whose) == number


def test_what_was_found_is_handed_over_once(keep: Keep) -> None:
    step(keep(1), 3)
    again = keep(2)
    assert again.find() == 3
    found = again.take()
    assert found
    assert found.latents.tolist() == [1.5] * 4
    assert found.scheduler["model_outputs.1"].tolist() == [3.0] * 4
    assert again.take() is None


def test_the_newest_step_is_on_the_disk_once_flushed(
    keep: Keep, tmp_path: Path, job: Job, whose: Identity
) -> None:
    """However fast the steps were: an orderly end loses none of them."""
    kept = keep(every_step=False)
    for number in range(1, 200):
        step(kept, number)
    kept.flush()
    assert on_disk(tmp_path, job, whose) == 199


def test_nothing_is_written_twice(keep: Keep, tmp_path: Path, job: Job) -> None:
    """Nor is what was only found, and not gone beyond."""
    kept = keep()
    step(kept, 1)
    before = path_of(tmp_path, replace(job, fence=1)).stat().st_ino
    kept.flush()
    assert path_of(tmp_path, replace(job, fence=1)).stat().st_ino == before
    again = keep(2)
    again.find()
    again.flush()
    assert names(tmp_path) == [f"{job.job_id}.1.ckpt"]


def test_of_older_claims_nothing_is_left(keep: Keep, tmp_path: Path, job: Job) -> None:
    """A checkpoint of the 5B takes 84 MB; that of a younger claim is not ours to remove."""
    step(keep(3), 1)
    step(keep(1), 4)
    assert names(tmp_path) == [f"{job.job_id}.{fence}.ckpt" for fence in (1, 3)]
    step(keep(2), 5)
    assert names(tmp_path) == [f"{job.job_id}.{fence}.ckpt" for fence in (2, 3)]
    kept = keep(2)
    step(kept, 6)
    kept.remove()
    assert names(tmp_path) == [f"{job.job_id}.3.ckpt"]
    kept.flush()
    assert names(tmp_path) == [f"{job.job_id}.3.ckpt"], "what was removed is not written again"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_kept(
    keep: Keep, tmp_path: Path, job: Job, whose: Identity, bad: float
) -> None:
    kept = keep()
    step(kept, 1)
    scheduler = Scheduler()
    with capture_logs() as logs:
        kept.after_step(2, torch.tensor([0.0, bad]), scheduler)
        scheduler.output = torch.tensor([bad])
        kept.after_step(3, torch.zeros(2), scheduler)
    assert on_disk(tmp_path, job, whose) == 1
    assert {line["event"] for line in logs} == {"checkpoint.missed"}


def test_a_folder_that_is_gone_or_a_name_that_is_taken_ends_no_render(
    keep: Keep, tmp_path: Path, job: Job
) -> None:
    taken = path_of(tmp_path, replace(job, fence=1))
    taken.mkdir()
    for kept in (keep(folder=tmp_path / "gone"), keep(1)):
        with capture_logs() as logs:
            step(kept, 1)
            step(kept, 2)
            kept.remove()
        assert [line["event"] for line in logs] == ["checkpoint.missed"] * 2
        assert {line["log_level"] for line in logs} == {"warning"}
    assert names(tmp_path) == [taken.name], "no scrap is left"


class Hanging(Checkpoints):
    """Its disk takes nothing until it is let go."""

    def __init__(self, folder: Path, job: Job, whose: Identity) -> None:
        super().__init__(folder, job, whose, Pace(share=1e9))
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.written: list[int] = []

    def write(self, copied: Checkpoint) -> None:
        self.began.set()
        self.let_go.wait()
        self.written.append(copied.step)
        super().write(copied)

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        super().__exit__()


def alive() -> list[int]:
    """The steps of all checkpoints that are in memory."""
    gc.collect()
    return sorted(each.step for each in gc.get_objects() if type(each) is Checkpoint)


def test_handing_over_does_not_wait_and_does_not_pile_up(
    tmp_path: Path, job: Job, whose: Identity
) -> None:
    """The disk hangs for a hundred steps: one is being written, the newest waits, beside it what
    it was copied from; the others are gone."""
    with Hanging(tmp_path, job, whose) as kept:
        step(kept, 1)
        assert kept.began.wait(60)
        for number in range(2, 102):
            step(kept, number)
        assert alive() == [1, 101, 101]
        kept.let_go.set()
        kept.flush()
        assert kept.written == [1, 101]
        assert alive() == [101]
    assert alive() == []
    assert on_disk(tmp_path, job, whose) == 101


def test_what_still_waits_when_a_job_ends_is_not_written_after_its_end(
    tmp_path: Path, job: Job, whose: Identity
) -> None:
    with Hanging(tmp_path, job, whose) as kept:
        step(kept, 1)
        assert kept.began.wait(60)
        step(kept, 2)
        removal = threading.Thread(target=kept.remove)
        removal.start()
        kept.let_go.set()
        removal.join()
    assert names(tmp_path) == []


def test_it_does_not_cost_more_than_its_share() -> None:
    """In steps of one second, whatever a checkpoint costs: each is paid for before it is made."""
    for cost_s in (0.001, 0.02, 0.021, 0.1, 3.0):
        pace, made = Pace(), 0
        for _ in range(1000):
            pace.passed(1.0)
            if pace.allows(84 << 20):
                pace.spent(cost_s)
                pace.learn(cost_s)
                made += 1
        assert made * cost_s <= SHARE * 1000 + cost_s
        assert made >= min(900, int(SHARE * 1000 / cost_s) - 11), cost_s


def test_every_step_of_the_5b_is_worth_it_from_the_first() -> None:
    """84 MB, a step of 22 s: also before it has been measured what a checkpoint costs."""
    pace = Pace()
    pace.passed(22.0)
    assert pace.allows(84_000_000)


def test_a_copy_is_not_changed_by_what_comes_after(
    keep: Keep, tmp_path: Path, job: Job, whose: Identity
) -> None:
    kept = keep()
    latents = step(kept, 1)
    latents += 1
    found = find(tmp_path, job.job_id, whose)
    assert found
    assert found.latents.tolist() == [0.5] * 4


def test_closing_ends_its_thread_and_waits_for_no_disk_that_has_nothing_to_do(keep: Keep) -> None:
    before = threading.active_count()
    with keep() as kept:
        step(kept, 1)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
