"""Our way is the library's own: one timestep for the whole video, streamed texts, own decoding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image

from jobstore.job import Request
from runner.render import film
from runner.render.decode import Frames
from runner.render.model import Model
from runner.render.picture import open_covering
from runner.render.text import TEXT_TOKENS

Ask = Callable[..., Request]


def stock(
    embedded: Path, model: Model, request: Request, images: Path, output: str, **embeddings: Any
) -> Any:
    """What the library's pipeline makes of a request when it is used as its pages say."""
    kind: Any = WanImageToVideoPipeline if request.image else WanPipeline
    pipeline = kind.from_pretrained(embedded, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = UniPCMultistepScheduler.from_config(
        pipeline.scheduler.config, flow_shift=model.abilities.flow_shift
    )
    assert pipeline.config.expand_timesteps is True
    picture = {}
    if request.image:
        picture["image"] = open_covering(images / request.image, request.width, request.height)
    texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    return pipeline(
        **picture,
        **embeddings or texts,
        height=request.height,
        width=request.width,
        num_frames=request.num_frames,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        max_sequence_length=TEXT_TOKENS,
        output_type=output,
    ).frames


@pytest.mark.parametrize("image", [None, "J1.png"])
def test_the_latents_are_those_of_the_stock_pipeline(
    model: Model, ask: Ask, embedded: Path, tmp_path: Path, image: str | None
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "J1.png")
    request = ask(image=image, steps=20, negative_prompt="blurred", num_frames=9)
    theirs = stock(embedded, model, request, tmp_path, "latent")
    embeddings = film.encode_prompt(model, request)
    ours = film.denoise(model, request, tmp_path, embeddings, film.untold)
    assert ours.dtype == theirs.dtype == torch.float32
    apart = float((ours - theirs).norm() / theirs.norm())
    print(
        f"figure: latents beside the stock pipeline's, {'image' if image else 'text'}: {apart:.1e}"
    )
    assert apart <= 1e-5


def test_from_the_same_embeddings_a_picture_gives_the_same_bits(
    model: Model, ask: Ask, embedded: Path, tmp_path: Path
) -> None:
    """From text it cannot: one timestep is computed where they compute one per token."""
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "J1.png")
    request = ask(image="J1.png", steps=20)
    embeddings = film.encode_prompt(model, request)
    theirs = stock(embedded, model, request, tmp_path, "latent", **embeddings)
    ours = film.denoise(model, request, tmp_path, embeddings, film.untold)
    assert torch.equal(ours, theirs)


def test_the_pixels_are_those_of_the_stock_pipeline(
    model: Model, ask: Ask, embedded: Path, tmp_path: Path
) -> None:
    """They are rounded, so that one of 255 may differ where a number lies between two."""
    request = ask()
    theirs = stock(embedded, model, request, tmp_path, "np")[0]
    pieces: list[Frames] = []
    film.render(model, request, tmp_path, lambda *_: None, pieces.extend)
    assert np.abs(np.concatenate(pieces).astype(float) - theirs * 255).max() <= 1
