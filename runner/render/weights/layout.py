"""Names of files in a checkpoint, and which of them a finished set-up leaves no more."""

import re
from collections.abc import Iterator
from pathlib import Path

from runner.render.describe import WAN22_TI2V_5B

CONVERTED = "transformer/diffusion_pytorch_model.safetensors"
SHARDS_INDEX = f"{CONVERTED}.index.json"
DRAFT = WAN22_TI2V_5B.presets["draft"].transformer
FETCHING = ".fetching"
WEIGHTS = (".bin", ".ckpt", ".gguf", ".index.json", ".pt", ".pth", ".safetensors")

_SHARD = re.compile(r"transformer/diffusion_pytorch_model-\d+-of-\d+\.safetensors")


def is_shard(path: str) -> bool:
    """Tell whether a file belongs to the transformer as it is published: a shard or the index."""
    return path == SHARDS_INDEX or _SHARD.fullmatch(path) is not None


def weights(folder: Path) -> Iterator[str]:
    """List the files that a library could take for weights; hidden ones never are."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in path.parts)
        if file.name.endswith(WEIGHTS) and file.is_file() and not hidden:
            yield path.as_posix()


def unfinished(folder: Path) -> list[Path]:
    """List the files that a killed set-up was just writing, under their names for that."""
    return [*folder.glob(".*.part"), *folder.glob("*/.*.part")]
