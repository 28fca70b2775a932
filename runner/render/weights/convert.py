"""The transformer is published in float32; here it becomes bfloat16, as diffusers would load it."""

from pathlib import Path

import torch
from diffusers import WanTransformer3DModel

from jobstore.failpoints import failpoint
from runner.render.weights.layout import CONVERTED, SHARDS_INDEX
from runner.render.weights.progress import Progress
from runner.render.weights.read import WeightsBroken, indexed, opened
from runner.render.weights.write import write

BYTES = 4  # of a float32


def dtype_of(name: str) -> torch.dtype:
    """Say what a tensor becomes: float32 where the library insists on it, or else bfloat16.

    Source:
        diffusers 0.42.1, models/model_loading_utils.py: `load_model_dict_into_meta` looks for each
        of `_keep_in_fp32_modules` among the parts of the name between dots.
    """
    keeps = set(WanTransformer3DModel._keep_in_fp32_modules)
    return torch.float32 if keeps & set(name.split(".")) else torch.bfloat16


def convert(folder: Path) -> None:
    """Write the transformer of a checkpoint anew beside its shards, one tensor at a time.

    It appears whole; the shards stay.

    Raises:
        WeightsBroken: the shards are none.
        OSError: the disk is full.
    """
    with opened(folder / "transformer", indexed(folder / SHARDS_INDEX)) as weights:
        like = {
            name: torch.empty(weights.shape(name) or (), dtype=dtype_of(name), device="meta")
            for name in weights.names()
        }
        total = sum(tensor.numel() * BYTES for tensor in like.values())
        with Progress("conversion to bfloat16", total) as progress:

            def make(name: str) -> torch.Tensor:
                failpoint("weights.converting")
                tensor = weights.read(name)
                if not tensor.is_floating_point():
                    raise WeightsBroken(folder / SHARDS_INDEX, f"{name} is {tensor.dtype}")
                progress.count(tensor.numel() * BYTES)
                return tensor.to(dtype_of(name))

            write(folder / CONVERTED, like, make)
    failpoint("weights.converted")
