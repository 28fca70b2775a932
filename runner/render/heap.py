"""The heap of this process: what is freed goes back to the machine."""

import contextlib
import ctypes
from pathlib import Path

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
LARGE_BYTES = 4 << 20
LARGE_MODEL_BYTES = 1 << 30


def is_large(model: Path) -> bool:
    """Tell whether the weights of a checkpoint are such that memory counts for more than time.

    On a CPU, mappings that come and go cost a tenth of the time of a render of the embedded model
    (`bin/bench render`), whose blocks are no trouble.
    """
    return sum(file.stat().st_size for file in model.rglob("*.safetensors")) > LARGE_MODEL_BYTES


def give_large_blocks_back() -> None:
    """Let a large block be a mapping of its own, which is gone when it is freed.

    Left alone, glibc takes blocks of up to 32 MiB from its heaps once one was freed; these fill
    with holes between tensors and do not shrink: decoding then holds 0.8 GiB more, and keeps it.

    Source:
        mallopt(3), M_MMAP_THRESHOLD: setting it ends its growing. `bin/bench memory` with and
        without: 2.0 and 2.8 GiB. Other libraries of C have no such call, and no such heaps.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE_BYTES)
