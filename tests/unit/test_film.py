"""The real pipelines, on the embedded model: what is asked decides what comes out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image

from jobstore.job import Phase, Request
from runner.render import film
from runner.render.decode import Frames
from runner.render.film import Tell
from runner.render.model import Model
from runner.render.picture import PictureLost, open_covering

Ask = Callable[..., Request]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "J1.png")
    return tmp_path


def silent(_phase: Phase, _step: int) -> None:
    """Tell nobody."""


def render(model: Model, request: Request, images: Path, tell: Tell = silent) -> Frames:
    """Render, and put the pieces together."""
    written: list[Frames] = []

    def write(pieces: Iterator[Frames]) -> None:
        written.append(np.concatenate(list(pieces)))

    film.render(model, request, images, tell, write)
    (frames,) = written
    return frames


def test_frames_have_the_asked_shape(model: Model, ask: Ask, images: Path) -> None:
    for wanted in ({}, {"image": "J1.png"}, {"width": 96, "height": 64, "num_frames": 9}):
        request = ask(**wanted)
        frames = render(model, request, images)
        assert frames.shape == (request.num_frames, request.height, request.width, 3)
        assert frames.dtype == np.uint8
        assert frames.std() > 1


def test_the_seed_the_prompt_and_the_picture_decide(model: Model, ask: Ask, images: Path) -> None:
    def frames(**wanted: object) -> Frames:
        return render(model, ask(**wanted), images)

    usual = frames()
    assert np.array_equal(usual, frames())
    for other in (
        {"seed": 8},
        {"prompt": "a blue square grows"},
        {"negative_prompt": "red"},
        {"guidance_scale": 1.0},
        {"steps": 4},
        {"image": "J1.png"},
    ):
        assert not np.array_equal(usual, frames(**other)), other


def test_both_pipelines_share_their_parts_and_differ_in_their_time(model: Model) -> None:
    assert isinstance(model.text, WanPipeline)
    assert isinstance(model.image, WanImageToVideoPipeline)
    for part in ("transformer", "vae", "tokenizer"):
        assert getattr(model.text, part) is getattr(model.image, part)
    assert model.text.text_encoder is model.image.text_encoder is None
    assert model.text.config.expand_timesteps is False
    assert model.image.config.expand_timesteps is True


def test_the_first_frame_is_the_given_picture(model: Model, ask: Ask, images: Path) -> None:
    """Its latents are those of the picture, clean, whatever the rest becomes."""
    request = ask(image="J1.png")
    embeddings = film.encode_prompt(model, request)
    latents = film.denoise(model, request, images, embeddings, silent)
    picture = open_covering(images / "J1.png", request.width, request.height)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None, :, None] / 127.5 - 1
    with torch.inference_mode():
        clean = model.text.vae.encode(pixels.float()).latent_dist.mode()
    mean = torch.tensor(model.text.vae.config.latents_mean).view(1, -1, 1, 1, 1)
    deviation = torch.tensor(model.text.vae.config.latents_std).view(1, -1, 1, 1, 1)
    assert torch.allclose(latents[:, :, :1], (clean - mean) / deviation, atol=1e-4)


def test_progress_is_told_step_by_step(model: Model, ask: Ask, images: Path) -> None:
    """A text that was encoded before is not encoded again; a new one is told of block by block."""
    told: list[tuple[Phase, int]] = []
    render(model, ask(), images)
    film.encode_prompt(model, ask(prompt="some other"), lambda *what: told.append(what))
    assert told[-1] == (Phase.ENCODING_PROMPT, 100)
    assert told == sorted(set(told))
    told.clear()
    render(model, ask(), images, lambda phase, step: told.append((phase, step)))
    assert told == [
        (Phase.ENCODING_PROMPT, 0),
        *[(Phase.DENOISING, step) for step in range(4)],
        *[(Phase.DECODING, percent) for percent in (0, 50, 100)],
        (Phase.ENCODING_VIDEO, 0),
    ]


def test_a_render_that_is_ended_leaves_the_model_as_good_as_new(
    model: Model, ask: Ask, images: Path
) -> None:
    before = render(model, ask(), images)

    def end_at(wanted: Phase, at: int) -> Tell:
        def tell(phase: Phase, done: int) -> None:
            if (phase, done) == (wanted, at):
                raise InterruptedError

        return tell

    steps = [(Phase.DENOISING, step) for step in range(4)]
    for phase, done in [*steps, (Phase.DECODING, 0), (Phase.DECODING, 50), (Phase.DECODING, 100)]:
        with pytest.raises(InterruptedError):
            render(model, ask(image="J1.png"), images, end_at(phase, done))
    assert np.array_equal(before, render(model, ask(), images))


def fresh(model: Model) -> Any:
    return model.fresh_scheduler(model.abilities.usual, torch.Generator())


def test_the_shift_of_the_description_counts(model: Model) -> None:
    assert fresh(model).config.flow_shift == model.abilities.flow_shift


def test_each_render_takes_the_described_shift_anew(model: Model, ask: Ask, images: Path) -> None:
    """Not the one that stands in the checkpoint, nor that of the render before."""
    shifted = replace(model, abilities=model.abilities.model_copy(update={"flow_shift": 7.0}))
    usual = render(model, ask(), images)
    assert not np.array_equal(usual, render(shifted, ask(), images))
    assert np.array_equal(usual, render(model, ask(), images))


def test_a_lost_picture_is_said_to_be_lost(model: Model, ask: Ask, images: Path) -> None:
    with pytest.raises(PictureLost, match=r"gone\.png"):
        render(model, ask(image="gone.png"), images)
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PictureLost):
        render(model, ask(image="broken.png"), images)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (4000, 1000)])
def test_a_picture_covers_the_video_and_keeps_its_shape(
    size: tuple[int, int], tmp_path: Path
) -> None:
    """A disc in the middle stays round and in the middle."""
    x, y = np.meshgrid(np.arange(size[0]) - size[0] / 2, np.arange(size[1]) - size[1] / 2)
    disc = (np.hypot(x, y) < min(size) / 4).astype(np.uint8) * 255
    Image.fromarray(disc).save(tmp_path / "disc.png")
    cut = np.asarray(open_covering(tmp_path / "disc.png", 128, 128).convert("L")) > 127
    rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
    assert abs(len(rows) - len(columns)) <= 2
    assert abs(rows.mean() - 63.5) < 2
    assert abs(columns.mean() - 63.5) < 2
