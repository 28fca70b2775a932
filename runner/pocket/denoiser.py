"""The transformer for training: its own weights and numbers, with the work of each frame done once.

diffusers carries a modulation for every token and 512 keys of text, nearly all of them padding.
Here a frame has one modulation, since its tokens share a time, and all padding is one key that
weighs as many.
"""

import math

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanAttention, WanTransformerBlock
from torch import Tensor
from torch.nn import functional

PADDED = 512


def velocity(
    network: WanTransformer3DModel, noisy: Tensor, sigma: Tensor, text: Tensor, words: Tensor
) -> Tensor:
    """Predict noise minus clip, as the pipeline has it.

    Args:
        network: a `WanTransformer3DModel` with patches of (1, 2, 2).
        noisy: float32 latents `[n, c, t, h, w]`, normalised.
        sigma: the share of noise of each latent frame, `[n, t]`; 0 for a given first frame.
        text: the embeddings of the text encoder, `[n, m, d]`.
        words: how many of the `m` are tokens, int64 `[n]`.

    Returns:
        float32 `[n, c, t, h, w]`.
    """
    count, _, frames, height, width = noisy.shape
    rotation = network.rope(noisy)
    x = network.patch_embedding(noisy).flatten(2).transpose(1, 2)
    embedder = network.condition_embedder
    time = embedder.time_embedder(embedder.timesteps_proj(sigma.flatten() * 1000))
    change = embedder.time_proj(functional.silu(time)).view(count, frames, 1, 6, -1).float()
    keys = embedder.text_embedder(functional.pad(text, (0, 0, 0, 1)))
    text_keys = (keys, _weights(text.shape[1], words))
    for block in network.blocks:
        x = _block(block, x, change, text_keys, rotation)
    time = time.view(count, frames, 1, -1).float()
    shift, scale = (network.scale_shift_table[0][:, None, None, None] + time).unbind(0)
    x = network.norm_out(x.float()).view(count, frames, -1, x.shape[-1])
    x = network.proj_out(x * (1 + scale) + shift).float()
    x = x.view(count, frames, height // 2, width // 2, 2, 2, -1).permute(0, 6, 1, 2, 4, 3, 5)
    whole: Tensor = x.flatten(5, 6).flatten(3, 4)
    return whole


def _weights(longest: int, words: Tensor) -> Tensor:
    """Give each key its bias: none for a word, and one key for all the padding."""
    place = torch.arange(longest)
    bias = torch.zeros(len(words), longest).masked_fill(place >= words[:, None], -math.inf)
    padding = (PADDED - words).to(torch.float32).log()[:, None]
    return torch.cat([bias, padding], 1)[:, None, None, :]


def _block(
    block: WanTransformerBlock,
    x: Tensor,
    change: Tensor,
    text_keys: tuple[Tensor, Tensor],
    rotation: tuple[Tensor, Tensor],
) -> Tensor:
    shift, scale, gate, late_shift, late_scale, late_gate = (
        block.scale_shift_table[:, None, None] + change
    ).unbind(3)
    shape = (*gate.shape[:2], -1, gate.shape[-1])

    def modulated(value: Tensor, by: Tensor, plus: Tensor) -> Tensor:
        return (value.view(shape) * (1 + by) + plus).flatten(1, 2)

    y = modulated(block.norm1(x.float()), scale, shift)
    y = _attend(block.attn1, y, y, None, rotation)
    x = x + (y.float().view(shape) * gate).flatten(1, 2)
    x = x + _attend(block.attn2, block.norm2(x.float()), *text_keys, None)
    y = block.ffn(modulated(block.norm3(x.float()), late_scale, late_shift))
    changed: Tensor = x + (y.float().view(shape) * late_gate).flatten(1, 2)
    return changed


def _attend(
    attention: WanAttention,
    x: Tensor,
    keys: Tensor,
    weight: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
) -> Tensor:
    query, key = attention.norm_q(attention.to_q(x)), attention.norm_k(attention.to_k(keys))
    value = attention.to_v(keys)
    query, key, value = (each.unflatten(2, (attention.heads, -1)) for each in (query, key, value))
    if rotation is not None:
        query, key = _turned(query, *rotation), _turned(key, *rotation)
    query, key, value = (each.transpose(1, 2).to(value.dtype) for each in (query, key, value))
    # Written out, since the backward pass of the fused one took half of the whole step on a CPU.
    match = (query @ key.transpose(2, 3)).float() / math.sqrt(query.shape[-1])
    if weight is not None:
        match = match + weight
    mixed = match.softmax(-1).to(value.dtype) @ value
    turned: Tensor = attention.to_out[0](mixed.transpose(1, 2).flatten(2, 3))
    return turned


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate each pair of values by the place of its token."""
    one, two = x.unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = cosine[..., 0::2], sine[..., 1::2]
    return torch.stack([one * cosine - two * sine, one * sine + two * cosine], -1).flatten(-2)
