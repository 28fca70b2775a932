"""Files that appear whole or not at all, also across a power cut."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(work: Path, target: Path) -> None:
    """Give a finished work file its public name, durably; both lie on one file system."""
    sync_file(work)
    work.rename(target)
    sync_folder(target.parent)


def write_whole(target: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file so that nobody ever sees a part of it; with a mode, others not even that."""
    work = target.with_name(f".{target.name}.part")
    try:
        with work.open("wb") as out:
            if mode is not None:
                os.fchmod(out.fileno(), mode)
            out.write(content)
        publish(work, target)
    finally:
        work.unlink(missing_ok=True)
