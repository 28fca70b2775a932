"""The embedded model shows what it is asked for, and each check here catches the fault it is for.

All clips are judged from the pixels of their MP4, over several seeds: one clip proves nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobstore.abilities import Abilities
from jobstore.job import Request
from runner.pocket import captions
from runner.pocket.judge import Frames, judge
from runner.pocket.measure import Asked, prompts, psnr, render, round_trip
from runner.pocket.world import COLOURS, UNSEEN_TRIPLES
from runner.render import film
from runner.render.model import Model, load

STEPS = 10
NAMES = tuple(COLOURS)
Embeddings = dict[str, torch.Tensor | None]
Encode = Callable[[Model, Request], Embeddings]


@pytest.fixture(scope="module")
def model(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    abilities = Abilities.read(embedded).model_copy(update={"steps": STEPS})
    return load(embedded, abilities, tmp_path_factory.mktemp("embeddings"))


def follows_its_prompt(model: Model) -> None:
    """Nine combinations that training never saw."""
    asked = [Asked(triple, 70 + seed) for seed, triple in enumerate(UNSEEN_TRIPLES[::2])]
    seen = [judge(render(model, each)) for each in asked]
    found = np.array([(each.colour, each.shape, each.motion) for each in seen])
    colour, shape, motion = (found == [each.triple for each in asked]).mean(0)
    assert colour > 0.8
    assert shape > 0.6
    assert motion > 0.7


def is_steered_by_guidance(model: Model) -> None:
    """Without guidance the asked colour is there, but purer with it."""
    asked = [Asked(triple, 70 + seed) for seed, triple in enumerate(UNSEEN_TRIPLES[::3])]
    without = [amount(render(model, each, guidance_scale=1.0), each) for each in asked]
    usual = [amount(render(model, each), each) for each in asked]
    assert np.mean(usual) > np.mean(without) + 0.02


def heeds_its_negative_prompt(model: Model) -> None:
    """It takes the asked colour away where it names it, and leaves it where it names another."""
    asked = [Asked(triple, 70 + seed) for seed, triple in enumerate(UNSEEN_TRIPLES[::3])]

    def shown(shift: int) -> float:
        clips = []
        for each in asked:
            colour = NAMES[(each.triple[0] + shift) % len(NAMES)]
            clips.append(amount(render(model, each, negative_prompt=colour), each))
        return float(np.mean(clips))

    assert shown(0) < shown(3) - 0.02


def starts_from_its_picture(model: Model) -> None:
    asked = [each for each in prompts() if each.picture is not None][:6]
    right = 0
    for each in asked:
        assert each.picture is not None
        frames = render(model, each)
        right += judge(frames).motion == each.triple[2]
        trip = psnr(round_trip(model, each.picture[None])[0], each.picture)
        assert psnr(frames[0], each.picture) > trip - 1
    assert right >= 5


def amount(frames: Frames, asked: Asked) -> float:
    """Say which share of the clip's pixels has the asked colour, or nearly."""
    colour = np.array(COLOURS[NAMES[asked.triple[0]]]) * 255
    return float((np.abs(frames - colour).max(-1) < 40).mean())


CHECKS = (
    follows_its_prompt,
    is_steered_by_guidance,
    heeds_its_negative_prompt,
    starts_from_its_picture,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_embedded_model(check: Callable[[Model], None], model: Model) -> None:
    check(model)


def dropped(encode: Encode) -> Encode:
    """The words do not reach the model."""

    def encoded(model: Model, request: Request) -> Embeddings:
        found = encode(model, request)
        return {name: None if each is None else each * 0 for name, each in found.items()}

    return encoded


def swapped(encode: Encode) -> Encode:
    """What is asked and what is not change places."""

    def encoded(model: Model, request: Request) -> Embeddings:
        found = encode(model, request)
        positive, negative = found["prompt_embeds"], found["negative_prompt_embeds"]
        if negative is None:
            return found
        return {"prompt_embeds": negative, "negative_prompt_embeds": positive}

    return encoded


def unmasked(encode: Encode) -> Encode:
    """The padding after the words is not nothing."""

    def encoded(model: Model, request: Request) -> Embeddings:
        def filled(each: torch.Tensor | None) -> torch.Tensor | None:
            return None if each is None else torch.where(each == 0, each[:, :1], each)

        return {name: filled(each) for name, each in encode(model, request).items()}

    return encoded


@pytest.mark.parametrize("fault", [dropped, swapped, unmasked])
def test_a_fault_in_the_words_is_seen(
    fault: Callable[[Encode], Encode], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "encode_prompt", fault(film.encode_prompt))
    with pytest.raises(AssertionError):
        follows_its_prompt(model)


@pytest.mark.parametrize("shift", [0.05, 60.0])
def test_a_wrong_shift_is_seen(shift: float, model: Model) -> None:
    abilities = model.abilities.model_copy(update={"flow_shift": shift})
    with pytest.raises(AssertionError):
        follows_its_prompt(replace(model, abilities=abilities))


def test_a_picture_that_is_not_given_to_the_model_is_seen(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def ignoring(model: Model, request: Request, *rest: Any) -> torch.Tensor:
        asked.append(request)
        return denoise(model, request.model_copy(update={"image": None}), *rest)

    denoise = film.denoise
    monkeypatch.setattr(film, "denoise", ignoring)
    with pytest.raises(AssertionError):
        starts_from_its_picture(model)
    assert asked[0].image


def test_a_guidance_that_is_not_passed_on_is_seen(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unguided(model: Model, request: Request, *rest: Any) -> torch.Tensor:
        return denoise(model, request.model_copy(update={"guidance_scale": 1.0}), *rest)

    denoise = film.denoise
    monkeypatch.setattr(film, "denoise", unguided)
    for check in (is_steered_by_guidance, heeds_its_negative_prompt):
        with pytest.raises(AssertionError):
            check(model)


def test_captions_say_what_is_asked() -> None:
    assert captions.prompt(0, 0, 1) == "a red circle moves right"
