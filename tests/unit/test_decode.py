"""Decoding in bands, piece by piece: the library's own numbers, and little memory."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

from local.bench.live import Live
from runner.render import decode as decoding
from runner.render.decode import Bands, Frames, decode
from runner.render.model import Model, decode_in


def latents_for(height: int, width: int, frames: int = 9) -> torch.Tensor:
    shape = (1, 48, (frames + 3) // 4, height // 16, width // 16)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def silent(_percent: int) -> None:
    """Tell nobody."""


def unrounded(patches: torch.Tensor, patch: int) -> Any:
    """Make frames of what would be rounded: float32, -1..1."""
    video = unpatchify(patches, patch)[0].clamp(-1, 1)
    return video.permute(1, 2, 3, 0).float().numpy().copy()


@torch.inference_mode()
def by_the_library(vae: Any, latents: torch.Tensor, bands: Bands | None) -> Frames:
    """Decode with `AutoencoderKLWan.decode`, tiled along the longer side."""
    vae = copy.copy(vae)  # its parts are shared, its tiles are its own
    scaled = decoding.denormalise(vae, latents)
    if bands:
        height, width = latents.shape[3] * 16, latents.shape[4] * 16
        if width >= height:
            vae.enable_tiling(height, bands.size, height, bands.stride)
        else:
            vae.enable_tiling(bands.size, width, bands.stride, width)
    video = vae.decode(scaled, return_dict=False)[0]
    frames: Frames = video[0].permute(1, 2, 3, 0).float().numpy()
    return frames


@pytest.mark.parametrize(
    ("height", "width", "bands"),
    [
        (64, 256, Bands(160, 128)),  # two bands, as the largest frame is cut
        (256, 64, Bands(160, 128)),  # the same, standing
        (64, 256, Bands(96, 64)),  # four; the last is covered whole by the one before
        (64, 224, Bands(96, 64)),  # the last is half covered
        (64, 224, Bands(160, 48)),  # three lie over each other: a blend of what was blended
        (96, 96, Bands(64, 32)),
    ],
)
def test_bands_are_what_the_library_makes_of_the_same_tiles(
    model: Model, height: int, width: int, bands: Bands
) -> None:
    latents = latents_for(height, width)
    ours = np.concatenate(list(decode(model, latents, bands, silent, unrounded)))
    assert np.array_equal(ours, by_the_library(model.text.vae, latents, bands))


@pytest.mark.parametrize(("height", "width"), [(64, 128), (128, 64)])
def test_a_small_frame_is_decoded_as_one(model: Model, height: int, width: int) -> None:
    latents = latents_for(height, width)
    ours = np.concatenate(list(decode(model, latents, Bands(128, 128), silent, unrounded)))
    assert np.array_equal(ours, by_the_library(model.text.vae, latents, None))


def test_a_decoder_in_bfloat16_is_tiled_the_same_and_encodes_as_before(model: Model) -> None:
    """What a GPU does; the encoder, and so a given picture, stays exact."""
    vae: Any = copy.deepcopy(model.text.vae)
    picture = torch.rand(1, 3, 1, 64, 64) * 2 - 1
    with torch.inference_mode():
        before = vae.encode(picture).latent_dist.mode()
        decode_in(vae, torch.bfloat16)
        assert vae.dtype == torch.float32
        assert torch.equal(vae.encode(picture).latent_dist.mode(), before)
    halved = copy.copy(model.text)
    halved.vae = vae
    latents = latents_for(64, 256)
    bands = Bands(160, 128)
    ours = np.concatenate(
        list(decode(replace(model, text=halved), latents, bands, silent, unrounded))
    )
    assert np.array_equal(ours, by_the_library(vae, latents, bands))
    exact = by_the_library(model.text.vae, latents, bands)
    assert 0 < np.abs(ours - exact).max() < 0.1


def test_pieces_come_as_they_are_decoded(model: Model) -> None:
    """One frame and then four each; nothing is decoded before it is asked for."""
    told: list[int] = []
    pieces = decode(model, latents_for(64, 256), Bands(160, 128), told.append)
    assert told == []
    seen = [(len(piece), told[-1]) for piece in pieces]
    assert seen == [(1, 66), (4, 83), (4, 100)]
    assert told == [16, 33, 50, 66, 83, 100]


def test_a_decode_may_be_left_and_others_run_beside_it(model: Model) -> None:
    """What is remembered from frame to frame belongs to one decode, not to the model."""
    latents, bands = latents_for(64, 256), Bands(160, 128)
    alone = np.concatenate(list(decode(model, latents, bands, silent)))
    next(decode(model, latents_for(64, 64), bands, silent))
    pairs = zip(
        decode(model, latents, bands, silent), decode(model, -latents, bands, silent), strict=True
    )
    beside = np.concatenate([piece for piece, _other in pairs])
    assert np.array_equal(alone, beside)


def test_pixels_take_little_memory_on_the_way(model: Model) -> None:
    """All bytes of pixels that are alive at once, and the floats of the seams, against the film.

    With two bands, half of each frame waits as bytes, and 128 of 512 columns as floats. The library
    keeps both bands of all frames as floats, and joins copies of them.
    """
    height, width, frames = 256, 512, 17
    film_bytes = height * width * frames * 3
    piece_bytes = height * width * 4 * 3
    pieces = decode(model, latents_for(height, width, frames), Bands(384, 256), silent)
    with Live(lambda tensor: tensor.dtype == torch.uint8) as live:
        count = sum(len(piece) for piece in pieces)
    assert count == frames
    assert film_bytes / 2 <= live.peak_bytes <= film_bytes / 2 + 2 * piece_bytes
    shown = (
        f"{live.peak_bytes / 1e6:.1f} MB of pixels alive for a film of {film_bytes / 1e6:.1f} MB"
    )
    print(f"figure: decode: {shown}")
