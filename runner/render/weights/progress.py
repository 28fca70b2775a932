"""What a person is told while bytes go by: how many, how fast, how long still."""

import hashlib
import io
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

EVERY_S = 10.0
EVERY_ON_A_TERMINAL_S = 0.5
Count = Callable[[int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def say(text: str) -> None:
    """Tell the person something, on a line of its own."""
    sys.stderr.write(f"setup: {text}\n")


def size(count: float) -> str:
    """Write a number of bytes for people: in GB, below one in MB, below one in bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def line(what: str, done: int, total: int, elapsed_s: float) -> str:
    """Say how far something is; speed and time left are those of the way so far."""
    so_far = f"{what}: {size(done)} of {size(total)}"
    if elapsed_s <= 0 or not done:
        return so_far
    speed = done / elapsed_s
    if done >= total:
        return f"{so_far}, {size(speed)}/s, in {duration(elapsed_s)}"
    return f"{so_far}, {size(speed)}/s, {duration((total - done) / speed)} left"


def duration(seconds: float) -> str:
    """Write a time for people, to the second."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


class Progress:
    """One long work whose size is known in bytes. Threads may count together."""

    def __init__(self, what: str, total: int) -> None:
        """Begin at nothing of `total` bytes."""
        self._what, self._total = what, total
        self._done = 0
        self._began = self._said = time.monotonic()
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def count(self, some: int) -> None:
        """Add bytes, and now and then say how far it is."""
        with self._lock:
            self._done += some
            now = time.monotonic()
            if now - self._said >= (EVERY_ON_A_TERMINAL_S if self._terminal else EVERY_S):
                self._said = now
                self._say("\r" if self._terminal else "setup: ", "" if self._terminal else "\n")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say the last figures, if there was anything to do."""
        if not self._total:
            return
        self._say("\r" if self._terminal else "setup: ", "\n")

    def _say(self, before: str, after: str) -> None:
        told = line(self._what, self._done, self._total, time.monotonic() - self._began)
        sys.stderr.write(f"{before}{told}{' ' * 12 if self._terminal else ''}{after}")
        sys.stderr.flush()


class Watched(io.FileIO):
    """A file whose reading is counted."""

    def __init__(self, path: Path, count: Count) -> None:
        """Open it to be read."""
        super().__init__(path, "r")
        self._count = count

    def readinto(self, buffer: Any, /) -> int:
        """Read, and count what came."""
        got = super().readinto(buffer) or 0
        self._count(got)
        return got


def sha256(path: Path, count: Count) -> str:
    """Read a whole file, counting its bytes; the SHA-256 in hexadecimal digits."""
    with Watched(path, count) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blob(path: Path, count: Count) -> str:
    """Read a whole file, counting its bytes; the name that git gives its content.

    Source:
        git-hash-object(1): SHA-1 over the word blob, the size, a zero byte, and the content.
    """

    def begun() -> "hashlib._Hash":
        head = f"blob {path.stat().st_size}\0".encode()
        return hashlib.sha1(head, usedforsecurity=False)

    with Watched(path, count) as file:
        return hashlib.file_digest(file, begun).hexdigest()


def some_at_once(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> list[Result]:
    """Do a work for each item, in threads; the first error ends it, and nothing more is begun."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, items))
