"""Repositories in the form in which the 5B is published: small, random, sharded, in float32.

Run as a program, it converts one and tells how much anonymous memory that took.
"""

import shutil
import sys
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel

from runner.render.weights.convert import convert
from text_encoders import anonymous_bytes, watched

SHARD_SIZE = "24MB"
NOT_OURS = ("README.md", "examples/poster.png", "transformer/old/model.safetensors")


def transformer(layers: int, heads: int = 8) -> WanTransformer3DModel:
    """A random transformer in the shape of the 5B, in float32: about 4.3 MB for each layer."""
    torch.manual_seed(3)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=32,
        in_channels=48,
        out_channels=48,
        text_dim=64,
        freq_dim=256,
        ffn_dim=heads * 128,
        num_layers=layers,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
    )


def make(folder: Path, embedded: Path, layers: int = 12) -> Path:
    """Write a repository: its transformer in shards, the rest from the embedded model."""
    shutil.copytree(embedded, folder)
    (folder / "wan22.json").unlink()
    shutil.rmtree(folder / "transformer")
    transformer(layers).save_pretrained(folder / "transformer", max_shard_size=SHARD_SIZE)
    (folder / "LICENSE.txt").write_text("Apache-2.0")
    for path in NOT_OURS:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("not needed")
    return folder


if __name__ == "__main__":
    samples = [anonymous_bytes()]
    with watched(samples):
        convert(Path(sys.argv[1]))
    print(max(samples) - samples[0])
