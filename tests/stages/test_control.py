"""A render can be ended at any moment, in the middle of a step too, and leaves nothing behind."""

import hashlib
import os
import random
from collections.abc import Callable

import pytest
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from PIL import Image
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from local.bench.process_memory import anonymous_bytes
from midstep import before_call
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick

Ask = Callable[..., Request]
STEPS = 8
DONE = 5  # of them, when a render is ended here
WARM_UP, CANCELS = 10, 30
SLACK_BYTES = 8 << 20


def accept(stage: Stage, request: Request, job_id: str = "J1") -> Job:
    return stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())[0]


def found(stage: Stage, job_id: str = "J1") -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def kept(stage: Stage) -> list[str]:
    return sorted(file.name for file in stage.settings.work.iterdir() if "ckpt" in file.name)


def sha256(stage: Stage, job_id: str) -> str:
    (file,) = stage.settings.outputs.glob(f"{job_id}.*.mp4")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def stop(stage: Stage, _job_id: str = "J1") -> None:
    stage.stopping.set()


def lose(stage: Stage, _job_id: str = "J1") -> None:
    stage.store.jobs.rescue([stage.owner.owner_id], now_ms())
    stage.heartbeat.tick()


def cancel(stage: Stage, job_id: str = "J1") -> None:
    stage.store.jobs.cancel(job_id, now_ms())
    stage.heartbeat.tick()


@pytest.fixture
def picture(stage: Stage) -> str:
    stage.settings.images.mkdir(parents=True)
    Image.linear_gradient("L").convert("RGB").save(stage.settings.images / "some.png")
    return "some.png"


@pytest.fixture(params=["text quality", "image fast"])
def request_0(request: pytest.FixtureRequest, ask: Ask, picture: str) -> Request:
    """Ask in each way; the fast preset uses the step cache."""
    task, preset = request.param.split()
    image = picture if task == "image" else None
    return ask(steps=STEPS, preset=preset, image=image, embed_metadata=False)


@pytest.mark.parametrize("end", [stop, lose, cancel], ids=lambda end: end.__name__)
def test_a_render_ends_in_the_middle_of_a_step(
    render: Render, stage: Stage, request_0: Request, end: Callable[[Stage], None]
) -> None:
    """Not one block is computed any more; neither a hook nor the step cache stays; what comes next
    is the same to the byte."""
    accept(stage, request_0, "J0")
    with before_call(0, lambda: None, WanTransformerBlock) as all_calls:
        assert tick(render)
    passes = all_calls.count // len(all_calls.blocks)
    at = passes * DONE // STEPS * len(all_calls.blocks) + 2
    accept(stage, request_0)
    with before_call(at, lambda: end(stage), WanTransformerBlock) as calls:
        assert tick(render)
    assert calls.count == at, "it ended there and then"
    assert not any(vars(block)["_forward_pre_hooks"] for block in calls.blocks)
    assert not any(transformer.is_cache_enabled for transformer in calls.transformers)
    assert found(stage).state is (State.CANCELLED if end is cancel else State.QUEUED)
    stopped_at = found(stage).step
    assert 0 < stopped_at < STEPS
    stage.stopping.clear()
    if end is not cancel:
        with capture_logs() as logs:
            assert tick(render)
        resumed = [line["step"] for line in logs if line["event"] == "render.resumed"]
        assert resumed == [stopped_at] or end is lose
        assert request_0.preset == "fast" or sha256(stage, "J1") == sha256(stage, "J0")
    accept(stage, request_0, "J2")
    assert tick(render)
    assert sha256(stage, "J2") == sha256(stage, "J0")
    assert kept(stage) == []


def cancelled_anywhere(
    render: Render, stage: Stage, ask: Ask, dice: random.Random, calls_of_one: int
) -> int:
    """Render a job once and cancel it before some call of some module: in any phase."""
    number = dice.randrange(2**32)
    wanted = ask(prompt=f"a red circle {number}", preset=dice.choice(["quality", "fast"]))
    accept(stage, wanted, f"cancelled {number}")
    at = dice.randrange(1, calls_of_one)
    with before_call(at, lambda: cancel(stage, f"cancelled {number}")) as calls:
        assert tick(render)
    state = found(stage, f"cancelled {number}").state
    assert state is (State.CANCELLED if calls.count >= at else State.RENDERED)
    return state is State.CANCELLED


def test_after_many_cancels_the_result_and_the_memory_are_those_of_before(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """Ten as a warm-up, then thirty more: in the text encoder, between any two modules of the
    transformer, in the decoder."""
    dice = random.Random(5)
    usual = ask(embed_metadata=False)
    accept(stage, usual, "before")
    with before_call(0, lambda: None) as calls:
        assert tick(render)

    def cancel_some(many: int) -> int:
        return sum(cancelled_anywhere(render, stage, ask, dice, calls.count) for _ in range(many))

    ended = cancel_some(WARM_UP)
    accept(stage, usual, "between")
    assert tick(render)
    before = anonymous_bytes(os.getpid())
    ended += cancel_some(CANCELS)
    grown = anonymous_bytes(os.getpid()) - before
    accept(stage, usual, "after")
    assert tick(render)
    assert sha256(stage, "before") == sha256(stage, "between") == sha256(stage, "after")
    print(
        f"figure: {ended} of {WARM_UP + CANCELS} renders cancelled; the last {CANCELS} of them took"
        f" {grown / 2**20:.1f} MiB more"
    )
    assert ended > (WARM_UP + CANCELS) / 2, "the others had come to their end before"
    assert grown < SLACK_BYTES
    assert not list(stage.settings.work.glob("*.mp4"))


def test_a_deadline_ends_a_render_for_good(made_stage: Callable[..., Stage], ask: Ask) -> None:
    stage = made_stage("render", ModelSettings, DEADLINE_S="0.3", CHECKPOINT_EVERY_STEP="true")
    render = Render(stage, read(ModelSettings), random.Random(1))
    render.prepare()
    accept(stage, ask(steps=1000))
    assert tick(render)
    job = found(stage)
    assert (job.state, job.error_code) == (State.FAILED, "deadline_exceeded")
    assert job.step < job.request.steps
    assert kept(stage) == []
    assert not tick(render)


def test_the_deadline_counts_what_earlier_claims_have_spent_and_no_waiting(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """A job that waited a year is rendered; one that was rendered for long enough is not."""
    for job_id in ("J1", "J2"):
        accept(stage, ask(steps=STEPS), job_id)

    def beat_and_stop() -> None:
        stage.heartbeat.tick()
        stop(stage)

    with before_call(1000, beat_and_stop):
        assert tick(render)
    stage.stopping.clear()
    assert found(stage).spent_ms > 0
    assert kept(stage) == ["J1.1.ckpt"]
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE jobs SET spent_ms = 7200000 WHERE job_id = 'J1'")
        connection.execute("UPDATE jobs SET started_at = 1000 WHERE job_id = 'J2'")
    assert tick(render)
    assert (found(stage).state, found(stage).error_code) == (State.FAILED, "deadline_exceeded")
    assert kept(stage) == []
    assert tick(render)
    assert found(stage, "J2").state is State.RENDERED


def test_what_a_job_left_that_ended_while_it_waited_is_swept_at_the_next_look(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask(steps=STEPS))
    with before_call(1000, lambda: stop(stage)):
        assert tick(render)
    stage.stopping.clear()
    assert kept(stage) == ["J1.1.ckpt"]
    stage.store.jobs.cancel("J1", now_ms())
    assert not render.run_once()
    assert kept(stage) == []
