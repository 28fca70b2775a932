"""The render stage, tick by tick: what becomes of a job, whatever happens to its render."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Phase, Request
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from runner.render.output import sweep
from runner.render.progress import SPANS
from runner.render.video import probe
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick
from whole_video import lay

Ask = Callable[..., Request]
LEASE_MS = 60_000


def accept(stage: Stage, request: Request, job_id: str = "J1") -> Job:
    return stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())[0]


def found(stage: Stage, job_id: str = "J1") -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def outputs(stage: Stage) -> list[str]:
    return sorted(file.name for file in stage.settings.outputs.iterdir())


def in_the_middle(
    stage: Stage, act: Callable[[], object], *, progress: int = 0
) -> threading.Thread:
    """Act as soon as the render of J1 has finished a step, and so many percent of the whole."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while found(stage).step < 1 or found(stage).progress < progress:
            assert time.monotonic() < deadline, "the render never began"
            time.sleep(0.001)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_job_becomes_a_whole_video_that_is_owed(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask())
    assert tick(render)
    assert found(stage).state is State.RENDERED
    delivery = stage.store.outbox.claim("D", stage.host, LEASE_MS, now_ms())
    assert delivery
    assert delivery.video
    file = stage.settings.data_dir / delivery.video.path
    probe(file, (5, 128, 128), 24)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == delivery.video.sha256
    assert file.stat().st_size == delivery.video.size_bytes
    assert not list(stage.settings.work.glob("*.mp4"))
    assert not tick(render)


def test_a_video_that_was_whole_is_never_rendered_again(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """The process died between the rename and the store's transaction."""
    accept(stage, ask())
    assert stage.store.jobs.claim("dead", stage.host, LEASE_MS, now_ms())
    stage.settings.outputs.mkdir()
    whole = lay(stage.settings.outputs / "J1.1.mp4", ask())
    stage.store.jobs.rescue(["dead"], now_ms())
    assert tick(render)
    delivery = stage.store.outbox.claim("D", stage.host, LEASE_MS, now_ms())
    assert delivery
    assert delivery.video
    assert delivery.video.sha256 == hashlib.sha256(whole).hexdigest()
    assert outputs(stage) == ["J1.3.jpg", "J1.3.mp4"]


def test_a_lost_lease_ends_the_render_and_leaves_nothing(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(steps=60))
    owner = stage.owner.owner_id
    rescuer = in_the_middle(stage, lambda: stage.store.jobs.rescue([owner], now_ms()))
    assert tick(render)
    rescuer.join()
    assert (found(stage).state, found(stage).fence) == (State.QUEUED, 2)
    assert outputs(stage) == []


def test_the_heartbeat_learns_that_a_lease_is_lost(render: Render, stage: Stage, ask: Ask) -> None:
    """Even a render that does not ask the store hears of it, from the heartbeat."""
    accept(stage, ask(steps=60))
    owner = stage.owner.owner_id

    lost_at: list[int] = []

    def lose() -> None:
        stage.store.jobs.rescue([owner], now_ms())
        lost_at.append(found(stage).step)
        stage.heartbeat.tick()

    rescuer = in_the_middle(stage, lose)
    with capture_logs() as logs:
        assert tick(render)
    rescuer.join()
    assert [log["event"] for log in logs if log["event"] == "lease.lost"] == ["lease.lost"]
    assert [found(stage).step] == lost_at, "nothing is told of it any more"


def test_a_stage_that_stops_gives_its_job_back(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask(steps=60))
    stopper = in_the_middle(stage, stage.stopping.set)
    assert tick(render)
    stopper.join()
    assert (found(stage).state, found(stage).fence) == (State.QUEUED, 1)
    stage.stopping.clear()
    assert tick(render)
    assert found(stage).state is State.RENDERED


@pytest.mark.parametrize("wish", ["stop", "cancel", "rescue"])
def test_a_render_ends_while_it_is_decoded_and_written(
    render: Render, stage: Stage, ask: Ask, wish: str
) -> None:
    """At the next piece; the half file is thrown away."""
    accept(stage, ask(num_frames=49, steps=1))

    def act() -> None:
        if wish == "stop":
            stage.stopping.set()
        elif wish == "cancel":
            stage.store.jobs.cancel("J1", now_ms())
        else:
            stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
        stage.heartbeat.tick()

    actor = in_the_middle(stage, act, progress=SPANS[Phase.DECODING][0] + 1)
    assert tick(render)
    actor.join()
    ends = {"stop": State.QUEUED, "cancel": State.CANCELLED, "rescue": State.QUEUED}
    assert found(stage).state is ends[wish]
    assert outputs(stage) == []
    assert not list(stage.settings.work.glob("*.mp4"))
    stage.stopping.clear()
    assert tick(render) is (wish != "cancel")


def test_how_it_was_decoded_is_counted(render: Render, stage: Stage, ask: Ask) -> None:
    """The gateway and a person can see when memory is short."""
    for number in (1, 2):
        accept(stage, ask(), f"J{number}")
        assert tick(render)
        assert render.facts["decodes"] == {"wide": number}
    phases = cast("dict[str, float]", render.facts["phases_s"])
    assert phases["denoising"] > 0 < phases["decoding"]


def test_a_render_that_breaks_is_tried_again_later_and_then_given_up(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """Sides that are no multiples of 16 are refused by the pipeline itself."""
    accept(stage, ask(width=100))
    for _ in range(FAILURE_LIMIT - 1):
        assert tick(render)
        assert (found(stage).state, found(stage).error_code) == ("queued", "render_failed")
        assert not tick(render), "it is not due yet"
        with stage.store.database.writing() as connection:
            connection.execute("UPDATE jobs SET due_at = 0")
    assert tick(render)
    assert found(stage).state is State.FAILED
    assert outputs(stage) == []


def test_a_broken_job_does_not_hold_the_queue(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask(width=100), "J1")
    accept(stage, ask(), "J2")
    while tick(render):
        pass
    assert found(stage, "J2").state is State.RENDERED


def test_a_picture_that_is_gone_fails_its_job_at_once(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(image="J1.png"))
    assert tick(render)
    assert (found(stage).state, found(stage).error_code) == ("failed", "image_lost")


def test_a_preset_without_weights_fails_its_jobs_and_no_others(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(preset="gone"))
    accept(stage, ask(), "J2")
    assert tick(render)
    assert (found(stage).state, found(stage).error_code) == ("failed", "preset_lost")
    assert "knows no preset gone" in (found(stage).error or "")
    assert tick(render)
    assert found(stage, "J2").state is State.RENDERED


def test_nothing_is_claimed_before_the_model_is_loaded(
    stage: Stage, ask: Ask, tmp_path: Path
) -> None:
    accept(stage, ask())
    work = Render(stage, read(ModelSettings), random.Random(1))
    assert work.facts == {"model_loaded": False}
    work.prepare()
    assert found(stage).state is State.QUEUED
    assert tmp_path == stage.settings.data_dir
    assert work.facts["model_loaded"] is True


def test_a_fault_of_the_machine_fails_no_job(render: Render, stage: Stage, ask: Ask) -> None:
    """The folder for videos is no folder: every write meets an error of the disk."""
    accept(stage, ask())
    stage.settings.outputs.mkdir()
    spoiler = in_the_middle(stage, lambda: spoil(stage))
    assert tick(render)
    spoiler.join()
    job = found(stage)
    assert (job.state, job.error_code, job.attempt) == (State.QUEUED, None, 1)
    assert not list(stage.settings.work.glob("*.mp4"))
    assert not tick(render), "it rests"


def spoil(stage: Stage) -> None:
    stage.settings.outputs.rmdir()
    stage.settings.outputs.write_text("no folder")


def test_a_machine_that_kills_different_jobs_claims_no_more_and_says_so(
    render: Render, stage: Stage, ask: Ask
) -> None:
    for job_id in ("J1", "J2", "J3"):
        accept(stage, ask(), job_id)
    for number in range(CRASH_LIMIT + 1):
        assert stage.store.jobs.claim(f"dead{number}", stage.host, LEASE_MS, now_ms())
        stage.store.jobs.rescue([f"dead{number}"], now_ms())
    assert [tick(render), render.facts["state"]] == [False, "resting"]
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE hosts SET crashed_at = 0")
    assert [tick(render), render.facts["state"]] == [True, "ready"]


def test_what_a_dead_process_left_unfinished_is_swept(stage: Stage, ask: Ask) -> None:
    accept(stage, ask(), "J1")
    held = stage.store.jobs.claim("another", stage.host, LEASE_MS, now_ms())
    assert held
    for name in ("J1.1.mp4", "J1.0.mp4", "J9.1.mp4"):
        (stage.settings.work / name).write_bytes(b"half")
    assert {file.name for file in sweep(stage.settings, stage.store.views)} == {
        "J1.0.mp4",
        "J9.1.mp4",
    }
    assert (stage.settings.work / "J1.1.mp4").exists()


def test_a_job_that_is_cancelled_ends_at_its_next_step(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(steps=60))

    def wish() -> None:
        stage.store.jobs.cancel("J1", now_ms())
        stage.heartbeat.tick()

    canceller = in_the_middle(stage, wish)
    assert tick(render)
    canceller.join()
    assert found(stage).state is State.CANCELLED
    accept(stage, ask(), "J2")
    assert tick(render)
    assert found(stage, "J2").state is State.RENDERED
