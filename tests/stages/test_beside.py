"""What goes on beside a render: the video of the job before becomes whole, the next is prepared."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Phase, Request
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from runner.render.progress import SPANS
from runner.render.work import Render
from runner.stage import Stage

Ask = Callable[..., Request]
MADE = SPANS[Phase.ENCODING_VIDEO][0]  # percent, once all frames are decoded


def accept(stage: Stage, request: Request, job_id: str) -> None:
    stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())


def found(stage: Stage, job_id: str) -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


@pytest.fixture
def held(render: Render) -> Iterator[threading.Event]:
    """What goes on beside does not go on until this is set."""
    event = threading.Event()
    render.beside.submit(event.wait)
    yield event
    event.set()


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def both_are_held(
    render: Render, stage: Stage, ask: Ask, worker: ThreadPoolExecutor
) -> Future[bool]:
    """Bring J1 to where its video is to become whole, and J2 to where its frames are there."""
    for job_id in ("J1", "J2"):
        accept(stage, ask(), job_id)
    assert render.run_once()
    ticked = worker.submit(render.run_once)
    wait_for(lambda: found(stage, "J2").progress >= MADE)
    return ticked


def test_the_next_job_is_rendered_while_a_video_becomes_whole(
    render: Render, stage: Stage, ask: Ask, held: threading.Event, worker: ThreadPoolExecutor
) -> None:
    ticked = both_are_held(render, stage, ask, worker)
    assert found(stage, "J1").state is State.PROCESSING
    assert not list(stage.settings.outputs.iterdir())
    held.set()
    assert ticked.result()
    render.settle()
    assert [found(stage, name).state for name in ("J1", "J2")] == [State.RENDERED] * 2


def test_both_leases_are_renewed(
    render: Render, stage: Stage, ask: Ask, held: threading.Event, worker: ThreadPoolExecutor
) -> None:
    ticked = both_are_held(render, stage, ask, worker)
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE jobs SET lease_ends_at = 1")
    stage.heartbeat.tick()
    assert not stage.store.jobs.rescue([], now_ms())
    held.set()
    ticked.result()
    render.settle()


@pytest.mark.parametrize("wish", ["cancel", "rescue"])
def test_a_video_that_nobody_wants_any_more_is_thrown_away(
    render: Render, stage: Stage, ask: Ask, held: threading.Event, wish: str
) -> None:
    accept(stage, ask(), "J1")
    assert render.run_once()
    if wish == "cancel":
        stage.store.jobs.cancel("J1", now_ms())
    else:
        stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
    stage.heartbeat.tick()
    held.set()
    render.settle()
    ends = {"cancel": State.CANCELLED, "rescue": State.QUEUED}
    assert found(stage, "J1").state is ends[wish]
    assert not list(stage.settings.outputs.iterdir())
    assert not list(stage.settings.work.glob("*.mp4"))


def test_a_stage_that_stops_still_makes_its_last_video_whole(
    render: Render, stage: Stage, ask: Ask, held: threading.Event
) -> None:
    """All its frames are there: to give the job back would render it twice."""
    accept(stage, ask(), "J1")
    assert render.run_once()
    stage.stopping.set()
    held.set()
    render.settle()
    assert found(stage, "J1").state is State.RENDERED


def test_the_prompt_of_the_next_job_is_encoded_ahead(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(prompt="a red circle stands still"), "J1")
    accept(stage, ask(prompt="a blue square moves up"), "J2")
    assert render.run_once()
    render.settle()
    kept = list(stage.settings.embeddings.iterdir())
    assert len(kept) == 3, "two prompts, and nothing asked against"
    assert found(stage, "J2").state is State.QUEUED
    assert render.run_once()
    render.settle()
    assert sorted(kept) == sorted(stage.settings.embeddings.iterdir())


def test_a_stage_that_stops_prepares_nothing_more(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask(), "J1")
    stage.stopping.set()
    assert render.ahead
    render.ahead.look()
    render.ahead.settle()
    assert not stage.settings.embeddings.exists()


def test_what_keeps_the_next_job_from_being_prepared_does_not_harm_the_present_one(
    made_stage: Callable[..., Stage], ask: Ask, embedded: Path, tmp_path: Path
) -> None:
    """The text encoder vanishes once the first prompt is known."""
    shutil.copytree(embedded, tmp_path / "model")
    stage = made_stage("render", ModelSettings, MODEL_DIR=str(tmp_path / "model"))
    render = Render(stage, read(ModelSettings), random.Random(1))
    render.prepare()
    accept(stage, ask(), "J1")
    assert render.run_once()
    shutil.rmtree(tmp_path / "model" / "text_encoder")
    accept(stage, ask(), "J2")
    accept(stage, ask(prompt="a blue square moves up"), "J3")
    with capture_logs() as logs:
        assert render.run_once()
        render.settle()
        assert found(stage, "J2").state is State.RENDERED
        assert "prompt.unprepared" in [log["event"] for log in logs]
        assert render.run_once()
    assert (found(stage, "J3").state, found(stage, "J3").attempt) == (State.QUEUED, 1)
    assert not render.run_once(), "it rests"
