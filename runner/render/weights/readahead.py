"""Reading files ahead of their use, so that what is mapped afterwards is in memory already.

A page fault on a map brings in little, and waits for it: a cold disk gives a part of its speed.
Read from front to back in large pieces it gives all of it, and there are bytes to count.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

PIECE_BYTES = 16 << 20

Tell = Callable[[int, int], None]


def read_ahead(files: Sequence[Path], tell: Tell) -> None:
    """Bring files into the page cache.

    Args:
        files: read one after the other.
        tell: called with the bytes that are read and those of all files: first with 0, then after
            each piece.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    total_bytes = sum(file.stat().st_size for file in files)
    done_bytes = 0
    tell(done_bytes, total_bytes)
    piece = bytearray(PIECE_BYTES)
    for file in files:
        with file.open("rb", buffering=0) as reading:
            os.posix_fadvise(reading.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while count := reading.readinto(piece):
                done_bytes += count
                tell(done_bytes, total_bytes)


def progress(done_bytes: int, total_bytes: int, took_s: float) -> dict[str, int | None]:
    """Tell how far the reading is, and how long the rest takes at the speed so far."""
    eta_s = round(took_s * (total_bytes - done_bytes) / done_bytes) if done_bytes else None
    return {"loaded_bytes": done_bytes, "total_bytes": total_bytes, "eta_s": eta_s}
