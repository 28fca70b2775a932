"""The render stage with a result that is broken: once more in the safe mode, then given up."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs

from faults_put_in import decoder_answers, stuck
from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request
from jobstore.moves import State
from jobstore.settings import ModelSettings, read
from jobstore.verify import verify
from runner.render.video import probe
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick

Ask = Callable[..., Request]
Stages = Callable[..., Stage]
ANSWERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "not_finite": lambda answer: answer * torch.nan,
    "black": lambda answer: answer * 0 - 9,
    "flat": lambda answer: answer * 0,
    "frozen": stuck(),
}


@pytest.fixture
def stage(made_stage: Stages) -> Stage:
    return made_stage("render", ModelSettings)


def prepared(stage: Stage) -> Render:
    work = Render(stage, read(ModelSettings), random.Random(1))
    work.prepare()
    return work


def accept(stage: Stage, request: Request, job_id: str = "J1") -> None:
    stage.store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())


def found(stage: Stage, job_id: str = "J1") -> Job:
    job = stage.store.views.find(job_id)
    assert job
    return job


def rejections(logs: list[Any]) -> list[str]:
    return [entry["reason"] for entry in logs if entry["event"] == "render.rejected"]


def told(stage: Stage, name: str = "J1.1") -> dict[str, Any]:
    sidecar = (stage.settings.outputs / f"{name}.json").read_bytes()
    answer: dict[str, Any] = json.loads(sidecar)
    return answer


@pytest.mark.parametrize("reason", ANSWERS)
def test_a_result_that_is_broken_once_is_rendered_again_and_published(
    stage: Stage, ask: Ask, reason: str
) -> None:
    """The decoder answers wrong as often as it is asked in one render of two latent frames."""
    render = prepared(stage)
    accept(stage, ask())
    calls = 1 if reason == "not_finite" else 2
    with decoder_answers(ANSWERS[reason], calls=calls), capture_logs() as logs:
        assert tick(render)
    assert rejections(logs) == [reason]
    assert (found(stage).state, found(stage).error_code) == (State.RENDERED, None)
    probe(stage.settings.outputs / "J1.1.mp4", (5, 128, 128), 24)
    assert (told(stage)["mode"], told(stage)["rejected_before"]) == ("safe", reason)
    assert not list(stage.settings.work.glob("J1.*"))


@pytest.mark.parametrize("reason", ANSWERS)
def test_a_result_that_is_broken_twice_fails_its_job_and_no_other(
    stage: Stage, ask: Ask, reason: str
) -> None:
    render = prepared(stage)
    accept(stage, ask(), "J1")
    accept(stage, ask(), "J2")
    with decoder_answers(ANSWERS[reason], calls=99), capture_logs() as logs:
        assert tick(render)
    assert rejections(logs) == [reason]
    job = found(stage)
    assert (job.state, job.error_code, job.attempt) == (State.FAILED, "quality", 1)
    assert str(job.error).startswith("Rendered twice, and wrong both times: The ")
    assert not list(stage.settings.outputs.iterdir())
    assert not list(stage.settings.work.glob("J1.*"))
    assert tick(render)
    assert found(stage, "J2").state is State.RENDERED
    assert (told(stage, "J2.1")["mode"], told(stage, "J2.1")["rejected_before"]) == ("usual", None)


def test_a_video_of_another_length_is_not_published(stage: Stage, ask: Ask) -> None:
    """Six frames are not 4k + 1: the pipeline bends them, and the probe finds out."""
    render = prepared(stage)
    accept(stage, ask(num_frames=6))
    with capture_logs() as logs:
        assert tick(render)
    assert rejections(logs) == ["other_video"]
    assert (found(stage).state, found(stage).error_code) == (State.FAILED, "quality")


def test_weights_that_were_spoilt_on_the_disk_publish_nothing(
    made_stage: Stages, ask: Ask, embedded: Path, tmp_path: Path
) -> None:
    """One number of the checkpoint is NaN: no mode helps, and the job says so."""
    spoilt = tmp_path / "model"
    shutil.copytree(embedded, spoilt)
    file = spoilt / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["proj_out.weight"][0, 0] = torch.nan
    save_file(weights, file, {"format": "pt"})
    stage = made_stage("render", ModelSettings, MODEL_DIR=str(spoilt))
    render = prepared(stage)
    accept(stage, ask())
    with capture_logs() as logs:
        assert tick(render)
    assert rejections(logs) == ["not_finite"]
    assert (found(stage).state, found(stage).error_code) == (State.FAILED, "quality")


def test_a_file_that_cannot_be_read_is_made_again(stage: Stage, ask: Ask) -> None:
    """While the last latent frame is decoded, another program puts its own file in the place."""
    render = prepared(stage)
    accept(stage, ask(num_frames=65, steps=1))
    work, latent_frames = stage.settings.work / "J1.1.mp4", 17
    seen = 0

    def change(answer: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        if seen == latent_frames:
            work.rename(stage.settings.work / "taken")
            work.write_bytes(b"no video")
        return answer

    with decoder_answers(change, calls=latent_frames), capture_logs() as logs:
        assert tick(render)
    assert rejections(logs) == ["unreadable"]
    assert found(stage).state is State.RENDERED
    whole = stage.settings.outputs / "J1.1.mp4"
    assert verify(whole, whole.with_suffix(".json")).job_id == "J1"
