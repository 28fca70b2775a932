"""A checkpoint of the 5B's own size and layout, filled with numbers that mean nothing.

What a real one takes of a machine's memory and disk, this one takes as well; what it renders is
noise. The pocket checkpoint lends what has no size: the tokenizer, the scheduler, the index.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from jobstore.abilities import DESCRIPTION
from jobstore.files import write_whole
from jobstore.settings import EMBEDDED_MODEL
from local.bench import full
from local.bench.full import FULL, Shapes
from local.bench.refusal import Refused
from runner.render.describe import WAN22_TI2V_5B
from runner.render.text import OWN_ROWS
from runner.render.weights.write import write

SPREAD = 0.02  # of the numbers; with norms of one nothing grows beyond what bfloat16 holds
BLOCK = (1 << 26) + 7  # numbers drawn, from which all tensors are cut; odd, so that rows differ
STRIDE = 1_000_003
MARGIN_BYTES = 2 << 30  # of disk that stays free
GIB = 2**30


class Noise:
    """One block of random numbers, cut into tensors: drawing 11 thousand million takes too long."""

    def __init__(self, numbers: int) -> None:
        """Draw the block, in both precisions of the parts."""
        drawn = torch.randn(numbers, generator=torch.Generator().manual_seed(7)).mul_(SPREAD)
        self._blocks = {kind: drawn.to(kind) for kind in (torch.float32, torch.bfloat16)}
        self._begin = 0

    def tensor(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """Make a tensor of this shape and dtype: ones where it weighs a norm."""
        if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
            return torch.ones_like(like, device="cpu")
        block, count = self._blocks[like.dtype], like.numel()
        room = max(len(block) - count, 1)
        self._begin = (self._begin + STRIDE) % room
        cut = block[self._begin : self._begin + count]
        if len(cut) < count:
            cut = block.repeat(-(-count // len(block)))[:count]
        return cut.view(like.shape)


def write_checkpoint(folder: Path, say: Callable[[str], None], shapes: Shapes = FULL) -> None:
    """Write a checkpoint in the layout of diffusers; its description comes last.

    Args:
        folder: where it goes; is made.
        say: told what is being written.
        shapes: of its parts; those of the 5B take 24.2 GB.

    Raises:
        Refused: the disk has too little room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"transformer": full.transformer(shapes), "vae": full.vae(shapes)}
    parts["text_encoder"] = full.text_encoder(shapes)
    files = {}
    for name, part in parts.items():
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        like = {key: value for key, value in part.state_dict().items() if key != OWN_ROWS}
        files[folder / name / f"{stem}.safetensors"] = like
    refuse_without_room(folder, sum(map(size_bytes, files.values())))
    for kept in ("tokenizer", "scheduler"):
        shutil.copytree(EMBEDDED_MODEL / kept, folder / kept, dirs_exist_ok=True)
    shutil.copy(EMBEDDED_MODEL / "model_index.json", folder)
    noise = Noise(min(BLOCK, max(map(largest, files.values())) + STRIDE))
    for (name, part), (file, like) in zip(parts.items(), files.items(), strict=True):
        say(f"writing {name}, {size_bytes(like) / 1e9:.1f} GB ...")
        save_config = part.config.save_pretrained if name == "text_encoder" else part.save_config
        save_config(file.parent)
        write_cold(file, like, noise)
    described = WAN22_TI2V_5B.model_copy(update={"name": "noise", "revision": "noise"})
    write_whole(folder / DESCRIPTION, described.model_dump_json(indent=2).encode())


def write_cold(file: Path, like: Mapping[str, torch.Tensor], noise: Noise) -> None:
    """Write a file and drop it from the page cache."""
    write(file, like, lambda name: noise.tensor(name, like[name]))
    forget(file)


def forget(file: Path) -> None:
    """Drop a file from the page cache, so that it comes from the disk again as after a boot."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def refuse_without_room(folder: Path, needed_bytes: int) -> None:
    """Make sure that so many bytes fit.

    Raises:
        Refused: they do not.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes + MARGIN_BYTES:
        message = (
            f"The checkpoint takes {(needed_bytes + MARGIN_BYTES) / GIB:.1f} GiB with some to"
            f" spare, and {folder} has {free_bytes / GIB:.1f}; name another folder: --folder"
        )
        raise Refused(message)


def size_bytes(like: Mapping[str, torch.Tensor]) -> int:
    """How much the tensors of a part take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in like.values())


def largest(like: Mapping[str, torch.Tensor]) -> int:
    """How many numbers the largest tensor of a part has."""
    return max(tensor.numel() for tensor in like.values())
