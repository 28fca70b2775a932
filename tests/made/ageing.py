"""Files of a given age, and a moment far from now: nothing waits for time to pass."""

import os
from pathlib import Path

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def make(file: Path, now: int, age_ms: int, content: bytes = b"x") -> Path:
    """Write a file that was last touched so long ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, times=((now - age_ms) / 1000,) * 2)
    return file


def names(folder: Path) -> list[str]:
    """List all files below a folder, but for those of the store itself."""
    files = (str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in files if not name.startswith(("jobs.db", "wake", "work/wake")))
