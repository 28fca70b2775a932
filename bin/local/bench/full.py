"""The 5B as it is published: the shapes of its parts, and the parts themselves without numbers."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

META = torch.device("meta")


@dataclass(frozen=True)
class Shapes:
    """What the parts of a model are made with, as their `config.json` says it."""

    transformer: dict[str, Any]
    vae: dict[str, Any]
    text_encoder: dict[str, Any]


FULL = Shapes(
    transformer={
        "patch_size": (1, 2, 2),
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": 4096,
        "freq_dim": 256,
        "ffn_dim": 14336,
        "num_layers": 30,
    },
    vae={
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "temperal_downsample": [False, True, True],
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_temporal": 4,
        "scale_factor_spatial": 16,
        "latents_mean": [0.0] * 48,
        "latents_std": [1.0] * 48,
    },
    text_encoder={
        "vocab_size": 256384,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "relative_attention_num_buckets": 32,
        "feed_forward_proj": "gated-gelu",
    },
)
"""The shapes of the published model; what normalises latents has no part in them.

Source:
    github.com/Wan-Video/Wan2.2 at 42bf4cfa, wan/configs/wan_ti2v_5B.py (transformer); the
    config.json of the VAE and of the text encoder in the diffusers repository
    Wan-AI/Wan2.2-TI2V-5B-Diffusers, as mirrors of it show.
"""


def transformer(shapes: Shapes) -> Any:
    """Make the transformer without numbers: bfloat16, and float32 where diffusers keeps it so."""
    with META:
        made: Any = WanTransformer3DModel(**shapes.transformer)
    for name, weight in made.named_parameters():
        if not set(made._keep_in_fp32_modules) & set(name.split(".")):
            weight.data = weight.data.to(torch.bfloat16)
    return made


def vae(shapes: Shapes) -> Any:
    """Make the VAE without numbers: float32."""
    with META:
        return AutoencoderKLWan(**shapes.vae)


def text_encoder(shapes: Shapes) -> Any:
    """Make the text encoder without numbers: bfloat16."""
    with META:
        return UMT5EncoderModel(UMT5Config(**shapes.text_encoder)).to(torch.bfloat16)
