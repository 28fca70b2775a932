"""A render that ended after any step goes on there, and its latents are the same, bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jobstore.job import Job, Phase, Request
from runner.render import film
from runner.render.checkpoint import Checkpoint, identity
from runner.render.keep import Checkpoints
from runner.render.model import Model
from runner.render.scheduler import DMD, State

Ask = Callable[..., Request]
Claim = Callable[..., Job]

STEPS = 6
SIGMAS = (1.0, 0.757, 0.522)


class Ended(Exception):
    """Stands for a kill: nothing after it is done."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "J1.png")
    return tmp_path


@pytest.fixture
def denoise(model: Model, images: Path, tmp_path: Path) -> Callable[..., torch.Tensor]:
    """Denoise as the stage does: go on from what was kept, keep each step, end where asked."""

    def run(job: Job, *, end_after: int = -1, told: list[int] | None = None) -> torch.Tensor:
        whose = identity(job, model.abilities)

        def tell(_phase: Phase, done: int) -> None:
            if told is not None:
                told.append(done)
            if done == end_after:
                raise Ended

        embeddings = film.encode_prompt(model, job.request)
        with Checkpoints(tmp_path, job, whose, every_step=True) as kept, torch.inference_mode():
            kept.find()
            return film.denoise(model, job.request, images, embeddings, tell, kept=kept)

    return run


@pytest.mark.parametrize(
    "wanted",
    [
        {"steps": STEPS},
        {"steps": STEPS, "image": "J1.png"},
        {"steps": STEPS, "guidance_scale": 1.0},
        {"steps": 3, "guidance_scale": 1.0, "preset": "draft"},
        {"steps": 3, "guidance_scale": 1.0, "preset": "draft", "image": "J1.png"},
    ],
    ids=str,
)
def test_it_goes_on_after_every_step_in_turn(
    denoise: Callable[..., torch.Tensor], claim: Claim, ask: Ask, wanted: dict[str, Any]
) -> None:
    """The last of them is the end: what is killed while it decodes does not denoise again."""
    request = ask(**wanted)
    undisturbed = denoise(claim(request, job_id="J0"))
    for step in range(1, request.steps + 1):
        job = claim(request, job_id=f"K{step}")
        with pytest.raises(Ended):
            denoise(job, end_after=step)
        told: list[int] = []
        again = denoise(replace(job, fence=2), told=told)
        assert told == list(range(step, request.steps + 1))
        assert torch.equal(again, undisturbed), step


def test_it_may_end_again_and_again(
    denoise: Callable[..., torch.Tensor], claim: Claim, ask: Ask
) -> None:
    """Killed after each of its steps, one claim after the other."""
    job = claim(ask(steps=STEPS))
    for step in range(1, STEPS + 1):
        with pytest.raises(Ended):
            denoise(replace(job, fence=step), end_after=step)
    told: list[int] = []
    end = denoise(replace(job, fence=STEPS + 1), told=told)
    assert told == [STEPS]
    assert torch.equal(end, denoise(replace(job, job_id="J0")))


def test_a_render_leaves_no_trace_in_the_next(
    denoise: Callable[..., torch.Tensor], claim: Claim, ask: Ask
) -> None:
    """The pipelines are shared: what one was given to go on from is not seen by another."""
    job = claim(ask(steps=STEPS))
    undisturbed = denoise(replace(job, job_id="J0"))
    with pytest.raises(Ended):
        denoise(job, end_after=2)
    with pytest.raises(Ended):
        denoise(replace(job, fence=2), end_after=2)
    assert torch.equal(denoise(replace(job, job_id="J2")), undisturbed)


def test_the_distilled_steps_are_those_it_was_distilled_for() -> None:
    scheduler = DMD.drawing_from(torch.Generator("cpu"), SIGMAS)
    scheduler.set_timesteps(50, device=torch.device("cpu"))
    assert scheduler.timesteps.tolist() == pytest.approx([1000, 757, 522])
    assert scheduler.sigmas.tolist() == pytest.approx([*SIGMAS, 0])


def test_the_distilled_draw_from_their_own_generator(
    denoise: Callable[..., torch.Tensor], claim: Claim, ask: Ask
) -> None:
    """Not from that of the process, which anybody may have used meanwhile."""
    request = ask(steps=3, guidance_scale=1.0, preset="draft")
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        ends.append(denoise(claim(request, job_id=f"J{seed}")))
    assert torch.equal(*ends)


def test_what_is_kept_is_what_the_scheduler_looks_back_at(model: Model) -> None:
    """If diffusers keeps more from step to step one day, this finds out."""
    scheduler = model.fresh_scheduler(model.abilities.usual, torch.Generator())
    scheduler.set_timesteps(STEPS, device=torch.device("cpu"))
    fresh = set(vars(scheduler))
    latents = torch.randn(1, 2, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    for time in scheduler.timesteps[:3]:
        before = dict(vars(scheduler))
        latents = scheduler.step(latents * 0.5, time, latents, return_dict=False)[0]
    changed = {name for name, value in vars(scheduler).items() if value is not before.get(name)}
    lists = {"model_outputs", "timestep_list"}  # changed in their places
    kept = {name.partition(".")[0] for name in scheduler.state()}
    assert kept == lists | {"lower_order_nums", "this_order", "last_sample"}
    assert changed <= kept | {"_step_index"}
    assert set(vars(scheduler)) - fresh == {"this_order"}


def test_a_state_is_not_changed_by_later_steps(model: Model) -> None:
    """The writer still copies it, or holds it back, while the render goes on."""
    scheduler = model.fresh_scheduler(model.abilities.usual, torch.Generator())
    scheduler.set_timesteps(STEPS, device=torch.device("cpu"))
    latents = torch.randn(1, 2, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    states: list[tuple[State, State]] = []
    for step, time in enumerate(scheduler.timesteps):
        latents = scheduler.step(latents * 0.5, time, latents, return_dict=False)[0]
        state = scheduler.state()
        copied = Checkpoint(step + 1, latents, state).copied()
        states.append((state, dict(copied.scheduler)))
    for state, copies in states:
        assert all(torch.equal(state[name], copies[name]) for name in copies)
