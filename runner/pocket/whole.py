"""The VAE over a whole clip at once, for training: what diffusers does in chunks of four frames.

Same weights, same numbers, without the cache of features, and without the clamp at the end, which
would take the gradient from every saturated pixel.
"""

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    WanResample,
    WanResidualDownBlock,
    WanResidualUpBlock,
    patchify,
    unpatchify,
)
from torch import Tensor


def encode(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """Encode `[n, 3, 1 + 4k, h, w]` in -1..1 to mean and log variance.

    Returns:
        `[n, 2z, 1 + k, h / 16, w / 16]`, the means first.
    """
    encoder = vae.encoder
    x = encoder.conv_in(patchify(video, vae.config.patch_size))
    for block in encoder.down_blocks:
        x = _down(block, x)
    x = encoder.mid_block(x)
    moments: Tensor = vae.quant_conv(encoder.conv_out(encoder.nonlinearity(encoder.norm_out(x))))
    return moments


def decode(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Decode raw latents `[n, z, 1 + k, h, w]` to `[n, 3, 1 + 4k, 16h, 16w]`, not clamped."""
    decoder = vae.decoder
    x = decoder.mid_block(decoder.conv_in(vae.post_quant_conv(latents)))
    for block in decoder.up_blocks:
        x = _up(block, x)
    x = decoder.conv_out(decoder.nonlinearity(decoder.norm_out(x)))
    video: Tensor = unpatchify(x, vae.config.patch_size)
    return video


def _down(block: WanResidualDownBlock, x: Tensor) -> Tensor:
    short: Tensor = block.avg_shortcut(x)
    for layer in block.resnets:
        x = layer(x)
    if block.downsampler is not None:
        x = _smaller(block.downsampler, x)
    return x + short


def _up(block: WanResidualUpBlock, x: Tensor) -> Tensor:
    start = x
    for layer in block.resnets:
        x = layer(x)
    if block.upsampler is not None:
        x = _larger(block.upsampler, x)
    if block.avg_shortcut is not None:
        x = x + block.avg_shortcut(start, first_chunk=True)
    return x


def _smaller(sampler: WanResample, x: Tensor) -> Tensor:
    """Halve the frame; halve the time too, where the layer does, but for the first frame."""
    x = _each_frame(sampler, x)
    if sampler.mode == "downsample3d" and x.shape[2] > 1:
        x = torch.cat([x[:, :, :1], sampler.time_conv(x)], 2)
    return x


def _larger(sampler: WanResample, x: Tensor) -> Tensor:
    """Double the time, where the layer does, but for the first frame; double the frame."""
    if sampler.mode == "upsample3d" and x.shape[2] > 1:
        first, rest = x[:, :, :1], x[:, :, 1:]
        twice = sampler.time_conv(rest).unflatten(1, (2, -1)).movedim(1, 3).flatten(2, 3)
        x = torch.cat([first, twice], 2)
    return _each_frame(sampler, x)


def _each_frame(sampler: WanResample, x: Tensor) -> Tensor:
    frames = x.shape[2]
    flat: Tensor = sampler.resample(x.transpose(1, 2).flatten(0, 1))
    back: Tensor = flat.unflatten(0, (-1, frames)).transpose(1, 2)
    return back
