"""The render stage goes on where an earlier claim of the job ended, and leaves nothing behind."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from faults_put_in import decoder_answers
from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Phase, Request
from jobstore.jobs import CRASH_LIMIT
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from runner.render.output import sweep
from runner.render.progress import SPANS
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick

Ask = Callable[..., Request]
LEASE_MS = 60_000
STEPS = 20


@pytest.fixture
def stage(made_stage: Callable[..., Stage]) -> Stage:
    return listened_to(made_stage("render", ModelSettings, CHECKPOINT_EVERY_STEP="true"))


def listened_to(stage: Stage) -> Stage:
    """Let its store write down all that is told of a render."""
    with stage.store.database.writing() as connection:
        connection.execute("CREATE TABLE told (attempt, step, progress, phase)")
        connection.execute(
            "CREATE TRIGGER tells AFTER UPDATE OF progress ON jobs WHEN NEW.state = 'processing'"
            " AND NEW.lease_owner = OLD.lease_owner BEGIN INSERT INTO told VALUES"
            " (NEW.attempt, NEW.step, NEW.progress, NEW.phase); END"
        )
    return stage


@pytest.fixture
def render(stage: Stage) -> Render:
    work = Render(stage, read(ModelSettings), random.Random(1))
    work.prepare()
    return work


def accept(stage: Stage, request: Request, job_id: str = "J1") -> Job:
    return stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())[0]


def found(stage: Stage, job_id: str = "J1") -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def told(stage: Stage, attempt: int) -> list[tuple[int, int, str]]:
    """All steps, percents and phases that one attempt told, in their order."""
    with stage.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT step, progress, phase FROM told WHERE attempt = ? ORDER BY rowid", (attempt,)
        ).fetchall()
    return [(row["step"], row["progress"], row["phase"]) for row in rows]


def kept(stage: Stage) -> list[str]:
    return sorted(file.name for file in stage.settings.work.iterdir() if "ckpt" in file.name)


def sha256(stage: Stage, job_id: str) -> str:
    (file,) = stage.settings.outputs.glob(f"{job_id}.*.mp4")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def ended_in_the_middle(
    render: Render, stage: Stage, act: Callable[[], object], *, progress: int = 10
) -> None:
    """Run a claim of J1, and act when it is so many percent done."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while found(stage).progress < progress:
            assert time.monotonic() < deadline, "the render never began"
            time.sleep(0.001)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert tick(render)
    thread.join()


def broken(_answer: object) -> torch.Tensor:
    raise ArithmeticError


def stop(stage: Stage) -> None:
    stage.stopping.set()


def lose(stage: Stage) -> None:
    stage.store.jobs.rescue([stage.owner.owner_id], now_ms())


def cancel(stage: Stage) -> None:
    stage.store.jobs.cancel("J1", now_ms())
    stage.heartbeat.tick()


@pytest.mark.parametrize("end", [stop, lose], ids=lambda end: end.__name__)
@pytest.mark.parametrize("progress", [10, SPANS[Phase.DECODING][0]])
def test_the_next_claim_goes_on_where_the_last_ended(
    render: Render, stage: Stage, ask: Ask, end: Callable[[Stage], None], progress: int
) -> None:
    """In the middle of the denoising, or after it; the video is the same to the byte."""
    accept(stage, ask(steps=STEPS, embed_metadata=False), "J0")
    assert tick(render)
    accept(stage, ask(steps=STEPS, embed_metadata=False))
    ended_in_the_middle(render, stage, lambda: end(stage), progress=progress)
    assert found(stage).state is State.QUEUED
    reached = max(step for step, _, _ in told(stage, 1)[-2:])
    assert kept(stage) == ["J1.1.ckpt"]
    stage.stopping.clear()
    with capture_logs() as logs:
        assert tick(render)
    (resumed,) = [line["step"] for line in logs if line["event"] == "render.resumed"]
    assert reached <= resumed <= reached + 1, "a step may be kept, and its claim lost untold"
    assert sha256(stage, "J1") == sha256(stage, "J0")
    again = told(stage, 2)
    assert min(step for step, _, _ in again) == resumed
    assert again == sorted(again, key=lambda each: each[:2]), "it never goes back"
    assert again[0][1] >= told(stage, 1)[-1][1]
    assert [step for step, _, phase in again if phase == "denoising"] == [
        *range(resumed, STEPS + 1)
    ]
    assert kept(stage) == []


def test_an_orderly_stop_loses_no_step_even_if_none_was_due(
    made_stage: Callable[..., Stage], ask: Ask
) -> None:
    """With the usual pace: the step that was finished when it heard of the stop is on the disk."""
    stage = listened_to(made_stage("render", ModelSettings))
    render = Render(stage, read(ModelSettings), random.Random(1))
    render.prepare()
    accept(stage, ask(steps=STEPS))
    ended_in_the_middle(render, stage, lambda: stop(stage), progress=3)
    last, _, _ = told(stage, 1)[-1]
    stage.stopping.clear()
    with capture_logs() as logs:
        assert tick(render)
    (resumed,) = [line["step"] for line in logs if line["event"] == "render.resumed"]
    assert last <= resumed <= last + 1, "it ended midway, or a step was kept and not told of"
    assert found(stage).state is State.RENDERED
    assert kept(stage) == []


def test_a_cancelled_job_leaves_no_checkpoint(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask(steps=STEPS))
    ended_in_the_middle(render, stage, lambda: cancel(stage))
    assert found(stage).state is State.CANCELLED
    assert kept(stage) == []


def test_a_job_that_fails_for_good_leaves_no_checkpoint(
    render: Render, stage: Stage, ask: Ask, tmp_path: Path
) -> None:
    """Its picture is gone when it is to go on."""
    images = stage.settings.images
    images.mkdir(parents=True)
    (images / "J1.png").write_bytes(PNG)
    accept(stage, ask(steps=STEPS, image="J1.png"))
    ended_in_the_middle(render, stage, lambda: stop(stage))
    assert kept(stage) == ["J1.1.ckpt"]
    stage.stopping.clear()
    (images / "J1.png").unlink()
    assert tick(render)
    assert found(stage).error_code == "image_lost"
    assert kept(stage) == []
    assert tmp_path == stage.settings.data_dir


def test_a_render_that_broke_goes_on_and_its_last_try_begins_anew(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """The decoder breaks each time, after the denoising."""
    accept(stage, ask())
    begun: list[int] = []
    while found(stage).state is State.QUEUED:
        with stage.store.database.writing() as connection:
            connection.execute("UPDATE jobs SET due_at = 0")
        with decoder_answers(broken, calls=1):
            assert tick(render)
        steps = [step for step, _, phase in told(stage, len(begun) + 1) if phase == "denoising"]
        begun.append(steps[0])
    assert begun == [0, 3, 0]
    assert found(stage).error_code == "render_failed"
    assert kept(stage) == []


def test_a_job_that_kills_its_renderer_is_begun_anew_at_last(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """What was kept may be what kills: two crashes in a row at the same place, and it is let be."""
    accept(stage, ask(steps=STEPS))
    ended_in_the_middle(render, stage, lambda: stop(stage))
    stage.stopping.clear()
    for number in range(CRASH_LIMIT - 1):
        assert stage.store.jobs.claim(f"dead{number}", stage.host, LEASE_MS, now_ms())
        stage.store.jobs.rescue([f"dead{number}"], now_ms())
    with capture_logs() as logs:
        assert tick(render)
    assert "render.resumed" not in {line["event"] for line in logs}
    assert [line["reason"] for line in logs if line["event"] == "checkpoint.refused"] == [
        "it was made for another last_try"
    ]
    assert told(stage, CRASH_LIMIT + 1)[0][0] == 0, "though its percent does not go back"
    assert found(stage).state is State.RENDERED
    assert kept(stage) == []


def test_to_go_on_is_no_step_of_the_machine(render: Render, stage: Stage, ask: Ask) -> None:
    """A machine on which nothing but what was kept is ever reached must come to rest."""
    accept(stage, ask(steps=STEPS))
    ended_in_the_middle(render, stage, lambda: stop(stage))
    step = found(stage).step
    job = stage.store.jobs.claim("dead", stage.host, LEASE_MS, now_ms())
    assert job
    stage.store.jobs.advance(job, Phase.DENOISING, step + 9, 80, began_at=step + 9)
    (rescued,) = stage.store.jobs.rescue(["dead"], now_ms())
    assert rescued.crashes == 1


def test_only_checkpoints_of_jobs_that_go_on_outlive_a_start(stage: Stage, ask: Ask) -> None:
    for job_id in ("queued", "processing", "cancelled", "rendered"):
        accept(stage, ask(), job_id)
    stage.store.jobs.cancel("cancelled", now_ms())
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE jobs SET priority = 9 WHERE job_id = 'processing'")
    assert stage.store.jobs.claim("another", stage.host, LEASE_MS, now_ms())
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE jobs SET priority = 5 WHERE job_id = 'rendered'")
    rendered = stage.store.jobs.claim("another", stage.host, LEASE_MS, now_ms())
    assert rendered
    with stage.store.database.writing() as connection:
        connection.execute(
            "UPDATE jobs SET state = 'rendered', lease_owner = NULL, lease_host = NULL,"
            " lease_ends_at = NULL WHERE job_id = 'rendered'"
        )
    stay = {"queued.1.ckpt", "processing.1.ckpt", "processing.7.ckpt", ".processing.1.ckpt.part"}
    go = {"cancelled.1.ckpt", "rendered.1.ckpt", "nobody.1.ckpt", ".processing.0.ckpt.part"}
    for name in (*stay, *go):
        (stage.settings.work / name).write_bytes(b"checkpoint")
    (stage.settings.work / "cancelled.2.ckpt").mkdir()
    assert {file.name for file in sweep(stage.settings, stage.store.views)} == go
    assert set(kept(stage)) == {*stay, "cancelled.2.ckpt"}


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "08d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
