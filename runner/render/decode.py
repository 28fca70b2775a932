"""From latents to pixels, a band of the frame at a time, handed on as they are decoded.

Decoding is what needs most of a card's memory: activations in proportion to the part of the frame
that is decoded at once, and a cache of features per band from one latent frame to the next. Bands
are therefore decoded one after the other, so that only one cache is alive; the last band completes
the frames, and while it is decoded they are written. `bin/bench vram` counts what that takes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, unpatchify
from numpy.typing import NDArray

from runner.render.judgement import check_finite
from runner.render.model import Model

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Bands:
    """How a frame is cut along its longer side; its shorter side stays whole.

    Each band is `size` pixels, the last may be less; each begins `stride` after the one before.
    Both are multiples of what a latent covers (16 pixels). Where two overlap, one fades into the
    other.
    """

    size: int
    stride: int


def pixels(patches: torch.Tensor, patch: int) -> Frames:
    """Turn decoded patches into pixels on this machine's side: -1..1 becomes 0..255.

    Raises:
        Rejected: there is NaN or infinity among them, which a byte cannot tell.
    """
    check_finite(patches, "decoded frames")
    video = unpatchify(patches, patch)[0].float().clamp(-1, 1)
    scaled = video.add(1).mul(127.5).round().to(torch.uint8)
    frames: Frames = scaled.permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames


@torch.inference_mode()
def decode(
    model: Model,
    latents: torch.Tensor,
    bands: Bands,
    tell: Callable[[int], None],
    finish: Callable[[torch.Tensor, int], Frames] = pixels,
) -> Iterator[Frames]:
    """Decode latents: the same numbers as the library's `tiled_decode`, before they are rounded.

    On this machine's side there are never more pixels than one byte each for the bands that wait
    for the last one: 163 MB for two bands of 1280x704x121.

    Args:
        model: whose VAE decodes.
        latents: float32, shape (1, channel, latent frame, height / 16, width / 16), normalised.
        bands: the cut; a frame that is no longer than `bands.size` is decoded as one.
        tell: called with the percent that is done; whatever it raises ends the decode.
        finish: makes frames of decoded patches, which are packed in squares of so many pixels;
            `pixels` unless somebody wants the numbers before they are rounded.

    Yields:
        uint8 pixels, shape (frame, height, width, channel=3), RGB: one frame for the first latent
        frame, four for each later one.
    """
    vae: Any = model.text.vae
    denormalised = denormalise(vae, latents)
    axis = -1 if latents.shape[-1] >= latents.shape[-2] else -2
    parts = cut(denormalised, bands, vae.config.scale_factor_spatial, axis)
    patch = vae.config.patch_size or 1
    stride, overlap = bands.stride // patch, (bands.size - bands.stride) // patch
    blend = vae.blend_h if axis == -1 else vae.blend_v
    count = latents.shape[2]
    finished: list[list[Frames]] = [[] for _ in range(count)]
    edges: list[torch.Tensor | None] = [None] * count
    for number, part in enumerate(parts):
        for index, band in enumerate(decoded(vae, part)):
            edge = edges[index]
            if edge is not None:
                blend(edge, band, overlap)  # changes the band in place, as the next edge needs it
            edges[index] = last(band, overlap, axis).clone()
            own = band.narrow(axis, 0, min(stride, band.shape[axis]))
            finished[index].append(finish(own, patch))
            tell(100 * (number * count + index + 1) // (len(parts) * count))
            if number == len(parts) - 1:
                yield np.concatenate(finished[index], axis=axis - 1)
                finished[index].clear()


def denormalise(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation of latents in float32; answers them as the decoder takes them."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(latents.device)
    deviation = torch.tensor(vae.config.latents_std).view(shape).to(latents.device)
    return (latents.float() * deviation + mean).to(vae.decoder.conv_in.weight.dtype)


def cut(latents: torch.Tensor, bands: Bands, scale: int, axis: int) -> list[torch.Tensor]:
    """Cut latents into the bands' parts; `scale` is how many pixels a latent covers."""
    length = latents.shape[axis]
    size, stride = bands.size // scale, bands.stride // scale
    if length <= size:
        return [latents]
    starts = range(0, length, stride)
    return [latents.narrow(axis, start, min(size, length - start)) for start in starts]


def decoded(vae: Any, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Decode one latent frame after the other; each gives patches of one frame, or of four.

    The decoder is causal: it remembers features of the frames before in a list, one entry per
    convolution, which it fills itself. Here it belongs to this call, not to the VAE.
    """
    convolutions = sum(isinstance(part, WanCausalConv3d) for part in vae.decoder.modules())
    remembered: list[Any] = [None] * convolutions
    for index in range(latents.shape[2]):
        frame = vae.post_quant_conv(latents[:, :, index : index + 1])
        yield vae.decoder(frame, feat_cache=remembered, feat_idx=[0], first_chunk=index == 0)


def last(band: torch.Tensor, length: int, axis: int) -> torch.Tensor:
    """Give the end of a band, `length` patches long or all there is."""
    length = min(length, band.shape[axis])
    return band.narrow(axis, band.shape[axis] - length, length)
