"""How a claim leaves our hands when the store is away, or the job is no longer ours."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.job import Arrival, Job, Phase, Request, Video
from jobstore.jobs import Jobs
from jobstore.moves import State
from runner.render.progress import SPANS
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick

Ask = Callable[..., Request]
FINISH, END = "step_ms", "ended_at"  # columns that only these moves write: `fail` and `release` end


def accept(stage: Stage, request: Request, job_id: str = "J1") -> None:
    stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())


def found(stage: Stage, job_id: str = "J1") -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def send_away(stage: Stage, move: str) -> None:
    """Let the store be out of order for one move: what that sets off cannot be done."""
    with stage.store.database.writing() as connection:
        connection.execute("CREATE TABLE away AS SELECT 'no JSON' AS what")
        connection.execute(
            f"CREATE TRIGGER goes_away BEFORE UPDATE OF {move} ON jobs"
            " BEGIN SELECT json(what) FROM away; END"
        )


def bring_back(stage: Stage) -> None:
    with stage.store.database.writing() as connection:
        connection.execute("DELETE FROM away")


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def test_a_video_that_could_not_be_recorded_at_a_stop_is_no_failure(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """The store comes back just after: what is whole is left for the next claim to take over."""
    accept(stage, ask())
    send_away(stage, FINISH)
    assert render.run_once()
    stage.stopping.set()
    render.settle()
    job = found(stage)
    assert (job.state, job.failures, job.error) == (State.PROCESSING, 0, None)
    bring_back(stage)
    stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
    stage.stopping.clear()
    with capture_logs() as logs:
        assert tick(render)
    assert "render.adopted" in [log["event"] for log in logs]
    assert (found(stage).state, found(stage).crashes) == (State.RENDERED, 0)


def test_a_stop_while_the_store_is_away_is_orderly_whatever_waits_to_be_rendered_again(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """Six frames make another video than was asked for, which is found out beside."""
    accept(stage, ask(num_frames=6))
    assert render.run_once()
    render.settle()
    assert len(render.again) == 1
    send_away(stage, END)
    stage.stopping.set()
    render.settle()
    assert not render.again


def test_a_whole_video_whose_lease_is_lost_is_there_for_the_next_claim(
    render: Render, stage: Stage, ask: Ask, worker: ThreadPoolExecutor
) -> None:
    """The store was away for longer than the lease, and somebody was quicker to ask it."""
    accept(stage, ask())
    send_away(stage, FINISH)
    assert render.run_once()
    settled = worker.submit(render.settle)
    whole = stage.settings.outputs / "J1.1.mp4"
    while not whole.exists():
        assert not settled.done()
    stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
    bring_back(stage)
    settled.result()
    assert found(stage).state is State.QUEUED
    with capture_logs() as logs:
        assert tick(render)
    assert "render.adopted" in [log["event"] for log in logs]
    assert found(stage).state is State.RENDERED


class Deaf(Jobs):
    """A store whose answer to the first finish is lost on its way, as when a connection is cut."""

    def finish(self, job: Job, host: str, video: Video, step_ms: int | None, now: int) -> None:
        told = self.database.name in heard
        heard.add(self.database.name)
        super().finish(job, host, video, step_ms, now)
        if not told:
            raise StoreUnavailable


heard: set[str] = set()


def test_a_video_whose_record_was_not_acknowledged_stays(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """It is recorded, and owed: to throw it away would lose the job."""
    stage.store = dataclasses.replace(stage.store, jobs=Deaf(stage.store.database))
    accept(stage, ask())
    with capture_logs() as logs:
        assert tick(render)
    assert found(stage).state is State.RENDERED
    assert (stage.settings.outputs / "J1.1.mp4").exists()
    assert "job.rendered" in [log["event"] for log in logs]
    assert not list(stage.settings.work.glob("J1.*"))


class Forgetful(Jobs):
    """A store that cannot say whether a machine rests, though it answers all else."""

    def is_resting(self, host: str, now: int) -> bool:
        message = f"no answer about {host} at {now}"
        raise StoreUnavailable(message)


def test_nothing_is_claimed_that_nobody_then_holds(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask())
    stage.store = dataclasses.replace(stage.store, jobs=Forgetful(stage.store.database))
    with pytest.raises(StoreUnavailable):
        render.run_once()
    assert found(stage).state is State.QUEUED


def test_what_is_to_be_rendered_again_is_given_back_when_the_disk_is_gone(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """It may take hours to come back: another machine may do better, and the stage goes on."""
    accept(stage, ask(num_frames=6))
    assert render.run_once()
    render.settle()
    stage.settings.outputs.rmdir()
    stage.settings.outputs.write_text("no folder")
    assert not render.run_once()
    assert (found(stage).state, found(stage).attempt) == (State.QUEUED, 1)
    assert not render.again


def test_a_job_that_was_begun_before_is_seen_through_before_another_is_claimed(
    render: Render, stage: Stage, ask: Ask, worker: ThreadPoolExecutor
) -> None:
    """It may be what killed the renderer: nobody else is to be with it when it does so again."""
    accept(stage, ask())
    assert stage.store.jobs.claim("dead", stage.host, 60_000, now_ms())
    stage.store.jobs.rescue(["dead"], now_ms())
    held = threading.Event()
    render.beside.submit(held.wait)
    ticked = worker.submit(render.run_once)
    while found(stage).progress < SPANS[Phase.ENCODING_VIDEO][0]:
        assert not ticked.done()
    held.set()
    assert ticked.result()
    assert found(stage).state is State.RENDERED


def test_a_lost_claim_that_was_to_be_rendered_again_is_let_go_all_the_same(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """Its lease is lost while its video, another than was asked for, is still being encoded."""
    accept(stage, ask(num_frames=6))
    held = threading.Event()
    render.beside.submit(held.wait)
    assert render.run_once()
    stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
    stage.heartbeat.tick()
    held.set()
    render.settle()
    with capture_logs() as logs:
        assert render.run_once()
    assert "job.dropped" in [log["event"] for log in logs]
