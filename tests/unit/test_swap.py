"""The transformer of a preset is swapped in when it is asked for; one at a time is held."""

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jobstore.abilities import DESCRIPTION, Abilities
from jobstore.job import Job, Phase, Request
from runner.render import film
from runner.render.checkpoint import identity
from runner.render.model import Model, load
from runner.render.transformer import PresetLost

Ask = Callable[..., Request]
Claim = Callable[..., Job]

DRAFT = "transformer_draft"
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def drafting(embedded: Path, tmp_path: Path) -> Path:
    """The embedded model with a transformer for its draft, which is another one."""
    folder = shutil.copytree(embedded, tmp_path / "checkpoint")
    shutil.copytree(folder / "transformer", folder / DRAFT)
    tensors = load_file(folder / DRAFT / WEIGHTS)
    save_file({name: tensor * 1.1 for name, tensor in tensors.items()}, folder / DRAFT / WEIGHTS)
    able = Abilities.read(folder)
    draft = able.presets["draft"].model_copy(update={"transformer": DRAFT})
    described = able.model_copy(update={"presets": {**able.presets, "draft": draft}})
    (folder / DESCRIPTION).write_text(described.model_dump_json())
    return folder


class Ended(Exception):
    """Stands for a cancel."""


def open_model(folder: Path) -> Model:
    return load(folder, Abilities.read(folder), folder / "embeddings")


def denoise(model: Model, request: Request, tell: film.Tell = film.untold) -> torch.Tensor:
    embeddings = film.encode_prompt(model, request)
    with torch.inference_mode():
        return film.denoise(model, request, Path(), embeddings, tell)


@pytest.fixture
def draft(ask: Ask) -> Request:
    return ask(preset="draft", steps=3, guidance_scale=1.0)


def test_the_draft_has_its_own_and_quality_its_own_again(
    drafting: Path, embedded: Path, ask: Ask, draft: Request
) -> None:
    """Bit for bit as before, both pipelines share it, and of the other nothing is held any more."""
    model, told = open_model(drafting), list[tuple[Phase, int]]()
    before = denoise(model, ask())
    old = weakref.ref(model.text.transformer)
    drafted = denoise(model, draft, lambda *now: told.append(now))
    gc.collect()
    assert old() is None
    assert model.image.transformer is model.text.transformer
    assert told[0] == (Phase.LOADING_MODEL, 0)
    assert told[told.index((Phase.DENOISING, 0)) - 1] == (Phase.LOADING_MODEL, 100)
    usual = load(embedded, Abilities.read(embedded), drafting / "embeddings")
    assert not torch.equal(drafted, denoise(usual, draft)), "its own weights"
    told.clear()
    assert torch.equal(drafted, denoise(model, draft, lambda *now: told.append(now)))
    assert told[0] == (Phase.DENOISING, 0), "it is there already"
    with model.transformer_aside():
        assert model.transformers.present == DRAFT
    assert torch.equal(before, denoise(model, ask()))
    assert not any(weight.is_inference() for weight in model.text.transformer.parameters())


def test_after_a_cached_render_nothing_is_held_either(
    drafting: Path, ask: Ask, draft: Request
) -> None:
    """The hooks of the step cache refer to the transformer in circles."""
    model = open_model(drafting)
    denoise(model, ask(preset="fast", steps=6))
    old = weakref.ref(model.text.transformer)
    denoise(model, draft)
    assert old() is None


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])


def lack_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors.pop("proj_out.bias")
    save_file(tensors, folder / WEIGHTS)


def have_one_too_many(folder: Path) -> None:
    """As a transformer with other attention has, which would be loaded without a word."""
    tensors = load_file(folder / WEIGHTS)
    save_file({**tensors, "blocks.0.to_gate_compress.bias": torch.ones(2)}, folder / WEIGHTS)


@pytest.mark.parametrize("harm", [shutil.rmtree, cut, lack_a_tensor, have_one_too_many])
def test_a_broken_draft_is_named_and_stops_nothing_else(
    harm: Callable[[Path], object], drafting: Path, ask: Ask, draft: Request
) -> None:
    model = open_model(drafting)
    before = denoise(model, ask())
    harm(drafting / DRAFT)
    with pytest.raises(PresetLost, match=f"preset draft cannot be used: .*{DRAFT}"):
        denoise(model, draft)
    assert torch.equal(before, denoise(model, ask()))


def test_a_preset_that_came_later_is_named(drafting: Path, draft: Request) -> None:
    shutil.move(drafting / DRAFT, drafting / "away")
    model = open_model(drafting)
    with pytest.raises(PresetLost, match="knows no preset draft"):
        denoise(model, draft)


def test_broken_weights_of_the_usual_preset_are_the_machines_fault(
    drafting: Path, ask: Ask, draft: Request
) -> None:
    """No job fails for it; once they are mended it goes on."""
    model = open_model(drafting)
    before, file = denoise(model, ask()), drafting / "transformer" / WEIGHTS
    denoise(model, draft)
    file.rename(file.with_suffix(".away"))
    with pytest.raises(OSError, match=WEIGHTS):
        denoise(model, ask())
    file.with_suffix(".away").rename(file)
    assert torch.equal(before, denoise(model, ask()))


def test_a_load_that_is_ended_leaves_the_model_good(
    drafting: Path, ask: Ask, draft: Request
) -> None:
    """By a cancel, which is met when the progress is told."""
    model = open_model(drafting)
    before = denoise(model, ask())

    def end(phase: Phase, done: int) -> None:
        if phase is Phase.LOADING_MODEL and done == 100:
            raise Ended

    with pytest.raises(Ended):
        denoise(model, draft, end)
    assert model.transformers.present is None
    assert torch.equal(before, denoise(model, ask()))


def test_steps_of_one_preset_are_not_taken_for_those_of_another(
    drafting: Path, claim: Claim, ask: Ask
) -> None:
    able = Abilities.read(drafting)
    both = [identity(claim(ask(preset=preset)), able) for preset in ("quality", "draft")]
    assert both[0] != both[1]
