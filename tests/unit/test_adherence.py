"""The embedded model shows what it is asked for, and each check here catches the fault it is for.

All clips are judged from the pixels of their MP4, over several seeds: one clip proves nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from numpy.typing import NDArray

from jobstore.abilities import USUAL
from runner.pocket import captions
from runner.pocket.judge import Frames, judge
from runner.pocket.measure import Asked, prompts, psnr, render, round_trip, shown
from runner.pocket.world import COLOURS, GROUNDS
from runner.render.embeddings import Embeddings
from runner.render.model import Model
from runner.render.text import TextEncoder, unheard

Hear = Callable[[int], None]

STEPS = 10
NAMES = tuple(COLOURS)
ASKED = [Asked((n, -n % 3, n), 70 + n) for n in range(6)]  # unseen, of every part


@pytest.fixture(scope="module")
def hurried(model: Model) -> Model:
    """With half the steps, which are enough for it."""
    able = model.abilities
    usual = able.usual.model_copy(update={"steps": STEPS})
    return replace(model, abilities=able.model_copy(update={"presets": {USUAL: usual}}))


def clips(model: Model, **how: Any) -> list[Frames]:
    return [render(model, each, **how) for each in ASKED]


def follows_its_prompt(model: Model) -> None:
    """In colour, shape and motion, and without haze: nearly all is object or ground."""
    shown = clips(model)
    seen = [judge(each) for each in shown]
    found = np.array([(each.colour, each.shape, each.motion) for each in seen])
    right = (found == [each.triple for each in ASKED]).sum(0)
    assert right.min() >= len(ASKED) - 1, right
    assert np.mean([clear(*each) for each in zip(shown, ASKED, strict=True)]) > 0.93


def is_steered_by_guidance(model: Model) -> None:
    """The asked colour is there without guidance too; with it there is more of it."""
    assert shown_of_asked(clips(model)) > 1.04 * shown_of_asked(clips(model, guidance_scale=1.0))


def heeds_its_negative_prompt(model: Model) -> None:
    """Where the negative prompt says all that is asked, it takes the guidance away.

    And where it names the asked colour, there is less of it than where it names another.
    """
    texts = [captions.prompt(*each.triple) for each in ASKED]
    undone = [
        render(model, each, negative_prompt=text) for each, text in zip(ASKED, texts, strict=True)
    ]
    unguided = clips(model, guidance_scale=1.0)
    assert shown_of_asked(undone) == pytest.approx(shown_of_asked(unguided), rel=0.01)
    own, other = (
        [
            render(model, each, negative_prompt=NAMES[(each.triple[0] + step) % len(NAMES)])
            for each in ASKED
        ]
        for step in (0, 3)
    )
    assert shown_of_asked(own) < 0.9 * shown_of_asked(other)


def starts_from_its_picture(model: Model) -> None:
    asked = [each for each in prompts() if each.picture is not None][:6]
    right = 0
    for each in asked:
        assert each.picture is not None
        frames = render(model, each)
        right += judge(frames).motion == each.triple[2]
        trip = psnr(shown(round_trip(model, each.picture[None]))[0], each.picture)
        assert psnr(frames[0], each.picture) > trip - 1
    assert right >= 5


def shown_of_asked(shown: list[Frames]) -> float:
    """Say which share of all pixels has the asked colour, or nearly."""
    pairs = zip(shown, ASKED, strict=True)
    return float(np.mean([(away(each, colour_of(asked)) < 40).mean() for each, asked in pairs]))


def clear(frames: Frames, asked: Asked) -> float:
    """Say which share of the pixels has the asked colour or that of a ground, and nothing else."""
    colours = [colour_of(asked), *GROUNDS.values()]
    return float((np.min([away(frames, each) for each in colours], axis=0) < 16).mean())


def colour_of(asked: Asked) -> tuple[float, float, float]:
    return COLOURS[NAMES[asked.triple[0]]]


def away(frames: Frames, colour: tuple[float, float, float]) -> NDArray[np.float64]:
    """Say how far each pixel is from a colour, of 255."""
    distance: NDArray[np.float64] = np.abs(frames - np.array(colour) * 255).max(-1)
    return distance


CHECKS = (
    follows_its_prompt,
    is_steered_by_guidance,
    heeds_its_negative_prompt,
    starts_from_its_picture,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_embedded_model(check: Callable[[Model], None], hurried: Model) -> None:
    check(hurried)


class Dropped(Embeddings):
    """The words do not reach the model."""

    def of(self, texts: Sequence[str], tell: Hear = unheard) -> list[torch.Tensor]:
        return [rows * 0 for rows in super().of(texts, tell)]


class Swapped(Embeddings):
    """What is asked and what is not change places."""

    def of(self, texts: Sequence[str], tell: Hear = unheard) -> list[torch.Tensor]:
        return super().of(texts[::-1], tell)


class Unmasked(Embeddings):
    """The padding after the words is not nothing."""

    def of(self, texts: Sequence[str], tell: Hear = unheard) -> list[torch.Tensor]:
        return [torch.where(rows == 0, rows[:, :1], rows) for rows in super().of(texts, tell)]


# Short runs put in the fault of each kind that shows least; the long ones do the others too.
LONG = pytest.mark.long


@pytest.mark.parametrize(
    "faulty", [pytest.param(Dropped, marks=LONG), pytest.param(Swapped, marks=LONG), Unmasked]
)
def test_a_fault_in_the_words_is_seen(
    faulty: type[Embeddings], hurried: Model, embedded: Path, tmp_path: Path
) -> None:
    encoder = TextEncoder(embedded, hurried.text.tokenizer, hurried.device, torch.float32)
    words = faulty(tmp_path, encoder, hurried.abilities.revision)
    with pytest.raises(AssertionError):
        follows_its_prompt(replace(hurried, embeddings=words))


@pytest.mark.parametrize("shift", [0.2, pytest.param(1.0, marks=LONG)])
def test_a_wrong_shift_is_seen(shift: float, hurried: Model) -> None:
    abilities = hurried.abilities.model_copy(update={"flow_shift": shift})
    with pytest.raises(AssertionError):
        follows_its_prompt(replace(hurried, abilities=abilities))


class Masked(WanImageToVideoPipeline):
    """The mask of the first frame gives the picture away, wholly or in part."""

    kept = 0.0

    def prepare_latents(self, *args: Any, **more: Any) -> tuple[torch.Tensor, ...]:
        latents, condition, mask = super().prepare_latents(*args, **more)
        return latents, condition, mask.clamp(min=1 - self.kept)


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_wrong_mask_of_the_first_frame_is_seen(kept: float, hurried: Model) -> None:
    faulty = Masked(**hurried.image.components, expand_timesteps=True)
    faulty.kept = kept
    with pytest.raises(AssertionError):
        starts_from_its_picture(replace(hurried, image=faulty))


class Unguided(WanPipeline):
    """The guidance does not reach the loop."""

    do_classifier_free_guidance = False


@pytest.mark.long
def test_a_guidance_that_is_not_passed_on_is_seen(hurried: Model) -> None:
    faulty = Unguided(**hurried.text.components, expand_timesteps=False)
    for check in (is_steered_by_guidance, heeds_its_negative_prompt):
        with pytest.raises(AssertionError):
            check(replace(hurried, text=faulty))


def test_captions_say_what_is_asked() -> None:
    assert captions.prompt(0, 0, 1) == "a red circle moves right"
