"""A drained machine finishes what it renders, or gives it back at once, and claims no more."""

import random
from collections.abc import Callable

import pytest
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.drains import Reason
from jobstore.job import Arrival, Job, Request
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from midstep import before_call
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick

Ask = Callable[..., Request]
STEPS = 8


@pytest.fixture(autouse=True)
def job(stage: Stage, ask: Ask) -> None:
    accept(stage, ask(steps=STEPS))


def accept(stage: Stage, request: Request, job_id: str = "J1") -> None:
    stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())


def found(stage: Stage) -> Job:
    job = stage.store.views.find("J1")
    assert job
    return job


def drain(render: Render, reason: Reason) -> None:
    stage = render.stage
    stage.store.drains.begin(stage.host, reason, now_ms(), at_once=reason is Reason.SPOT)
    render.draining.tick()


def lift(render: Render) -> None:
    render.stage.store.drains.lift(render.stage.host)
    render.draining.tick()


def test_a_drain_at_once_gives_the_job_back_in_the_middle_of_a_step(
    render: Render, stage: Stage
) -> None:
    """With its checkpoint, and without a mark: whoever claims it goes on from that step."""
    with before_call(40, lambda: drain(render, Reason.SPOT), WanTransformerBlock) as calls:
        assert tick(render)
    assert calls.count == 40, "it ended there and then"
    job = found(stage)
    assert (job.state, job.failures, job.crashes) == (State.QUEUED, 0, 0)
    assert 0 < job.step < STEPS
    assert (stage.settings.work / "J1.1.ckpt").exists()
    assert not tick(render), "and claims nothing"
    lift(render)
    with capture_logs() as logs:
        assert tick(render)
    assert {"event": "render.resumed", "log_level": "info", "step": job.step} in [
        {key: line[key] for key in ("event", "log_level", "step") if key in line} for line in logs
    ]
    assert found(stage).state is State.RENDERED


def test_any_other_drain_lets_it_finish(render: Render, stage: Stage, ask: Ask) -> None:
    accept(stage, ask(), "J2")
    with before_call(40, lambda: drain(render, Reason.STOP), WanTransformerBlock):
        assert tick(render)
    assert found(stage).state is State.RENDERED
    assert not tick(render), "the next one waits"
    lift(render)
    assert tick(render)


def test_a_stage_tells_of_it_as_soon_as_it_knows(render: Render, stage: Stage) -> None:
    """In its facts, by a beat of its own, and in the log; each time once."""
    moves: list[Callable[[], object]] = [
        lambda: drain(render, Reason.STOP),
        render.draining.tick,
        lambda: drain(render, Reason.SPOT),
        lambda: lift(render),
    ]
    told = []
    with capture_logs() as logs:
        for move in moves:
            move()
            beats = len(stage.store.stages.all())
            told.append((render.facts["state"], render.facts.get("draining"), beats))
            stage.store.stages.leave(stage.name, stage.host)
    assert told == [
        ("draining", "stop", 1),
        ("draining", "stop", 0),
        ("draining", "spot", 1),
        ("ready", None, 1),
    ]
    said = [(line["event"], line.get("reason")) for line in logs]
    assert said == [("drain.begun", "stop"), ("drain.begun", "spot"), ("drain.lifted", None)]


def test_what_waits_to_be_rendered_again_is_given_back_too(
    render: Render, stage: Stage, ask: Ask
) -> None:
    """Six frames make another video than was asked for, which is found out beside."""
    stage.store.jobs.cancel("J1", now_ms())
    accept(stage, ask(num_frames=6), "J2")
    assert render.run_once()
    render.settle()
    assert len(render.again) == 1
    drain(render, Reason.SPOT)
    assert not render.run_once()
    assert not render.again


def test_a_stage_that_still_loads_says_that(stage: Stage) -> None:
    """It claims nothing anyway."""
    render = Render(stage, read(ModelSettings), random.Random(1))
    drain(render, Reason.STOP)
    assert render.facts == {"model_loaded": False}
