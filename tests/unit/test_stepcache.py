"""The step cache leaves out as many passes as the ratios foretell, and nothing stays behind."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobstore.job import Job, Request
from passes import counting
from runner.render import film
from runner.render.calibrate import calibrate
from runner.render.checkpoint import identity
from runner.render.describe import WAN22_TI2V_5B
from runner.render.keep import Checkpoints
from runner.render.model import Model
from runner.render.stepcache import computed

Ask = Callable[..., Request]
Claim = Callable[..., Job]


def with_threshold(model: Model, threshold: float) -> Model:
    able = model.abilities
    fast = able.presets["fast"].model_copy(update={"cache_threshold": threshold})
    return replace(
        model, abilities=able.model_copy(update={"presets": {**able.presets, "fast": fast}})
    )


def denoise(model: Model, request: Request, images: Path) -> torch.Tensor:
    embeddings = film.encode_prompt(model, request)
    return film.denoise(model, request, images, embeddings, film.untold)


@pytest.mark.parametrize("image", [None, "J1.png"])
@pytest.mark.parametrize("bounds", [(0.03, 20), (0.06, 20), (0.12, 20), (0.06, 9)])
def test_the_passes_are_those_foretold(
    model: Model, ask: Ask, tmp_path: Path, image: str | None, bounds: tuple[float, int]
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "J1.png")
    threshold, steps = bounds
    model = with_threshold(model, threshold)
    request = ask(image=image, steps=steps)
    ratios = model.abilities.mag_ratios[request.task]
    before = denoise(model, request, tmp_path)
    with counting(model.text.transformer) as counts:
        cached = denoise(model, request.model_copy(update={"preset": "fast"}), tmp_path)
    foretold = computed(ratios, threshold, steps)
    assert counts == [2 * foretold] * 2
    assert 0 < foretold < steps
    assert not torch.equal(before, cached)
    assert torch.equal(before, denoise(model, request, tmp_path)), "it left something behind"


@pytest.mark.parametrize("done", [1, 4, 7, 19])
def test_a_render_that_is_taken_up_again_goes_on_with_a_computed_step(
    model: Model, claim: Claim, ask: Ask, tmp_path: Path, done: int
) -> None:
    made = []
    request = ask(steps=20, preset="fast")
    job = claim(request)
    whose = identity(job, model.abilities)

    def end(_phase: object, step: int) -> None:
        if step == done:
            raise InterruptedError

    embeddings = film.encode_prompt(model, request)
    with Checkpoints(tmp_path, job, whose, every_step=True) as kept, torch.inference_mode():
        with pytest.raises(InterruptedError):
            film.denoise(model, request, tmp_path, embeddings, end, kept=kept)
        assert kept.find() == done
        with counting(model.text.transformer) as counts:
            film.denoise(
                model, request, tmp_path, embeddings, lambda *_: made.append(counts[0]), kept=kept
            )
    assert made[:2] == [0, 2], "both passes of its first step"
    assert made[-1] < 2 * (20 - done) or done == 19


def test_the_published_model_is_as_fast_as_its_presets_say() -> None:
    """Its replay of the published ratios; nobody has seen it on a card here."""
    able = WAN22_TI2V_5B
    for name, most in (("balanced", 32), ("fast", 26)):
        preset = able.presets[name]
        assert preset.cache_threshold
        for task in able.mag_ratios:
            passes = computed(able.mag_ratios[task], preset.cache_threshold, preset.steps)
            assert most - 1 <= passes <= most
            assert str(2 * most) in preset.about


def test_calibration_measures_what_the_model_does(model: Model, tmp_path: Path) -> None:
    """One prompt gives about the ratios that stand in the description; in the end they differ."""
    ratios = calibrate(model, ["a red circle moves right"], tmp_path)
    assert set(ratios) == {"text", "image"}
    for task, values in model.abilities.mag_ratios.items():
        assert ratios[task][0] == 1.0
        assert ratios[task][:16] == pytest.approx(values[:16], abs=0.05)
        assert ratios[task][16:] == pytest.approx(values[16:], abs=0.2)
