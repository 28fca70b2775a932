"""The pictures that jobs start from: none is cleared away while a job is made that needs it.

A retry or a remix starts from the picture of another job. Whoever makes one looks for the picture
and takes the job in under a shared lock; whoever clears one away looks for jobs and removes it
under an exclusive one, on a file in `work/`. The kernel frees both when their holder ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "pictures"


@contextlib.contextmanager
def in_use(work: Path) -> Iterator[None]:
    """Keep all pictures where they are."""
    with _locked(work, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def clearing(work: Path) -> Iterator[None]:
    """Be the only one who decides about pictures.

    Raises:
        BlockingIOError: somebody makes a job just now.
    """
    with _locked(work, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextlib.contextmanager
def _locked(work: Path, how: int) -> Iterator[None]:
    descriptor = os.open(work / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
