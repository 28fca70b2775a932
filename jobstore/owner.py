"""Who holds a lease: one id per process, and a lock that dies with it.

The kernel frees a `flock` when its holder ends, however it ends, so on one machine the orphans of
a dead process are known at once. A forked child would keep the lock: nothing here may fork.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self

from ulid import ULID

from jobstore.files import sync_file, sync_folder


class Owner:
    """This process as a holder of leases."""

    def __init__(self, owner_id: str, descriptor: int) -> None:
        """Take what `join` has made; not to be called by others."""
        self.owner_id = owner_id
        self._descriptor = descriptor

    @classmethod
    def join(cls, folder: Path) -> Self:
        """Become an owner: make a lock file in `folder` and hold its lock until the end.

        The lock is taken before the file gets its name, so nobody ever sees it free.
        """
        folder.mkdir(parents=True, exist_ok=True)
        owner_id = str(ULID())
        unnamed = folder / f"{owner_id}.new"
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unnamed.rename(folder / f"{owner_id}.lock")
        return cls(owner_id, descriptor)

    def leave(self) -> None:
        """Stop being an owner: what is still held, if anything, is free to be taken back."""
        os.close(self._descriptor)


def machine_id(folder: Path) -> str:
    """Name this machine's folder, for good: what lies in it can be delivered from here only.

    A host's name would not do, since it may change with the machine's address.
    """
    name = folder / "machine"
    if not name.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unnamed = folder / f"{ULID()}.new"
        unnamed.write_text(str(ULID()), encoding="ascii")
        sync_file(unnamed)
        with contextlib.suppress(FileExistsError):
            name.hardlink_to(unnamed)
        unnamed.unlink()
        sync_folder(folder)
    return name.read_text(encoding="ascii")


def dead_owners(folder: Path) -> list[str]:
    """List the owners of this machine whose process has ended without leaving."""
    return [lock.stem for lock in folder.glob("*.lock") if _is_free(lock)]


def living_owners(folder: Path) -> list[str]:
    """List the owners of this machine whose process is there."""
    return [lock.stem for lock in folder.glob("*.lock") if not _is_free(lock)]


def forget(folder: Path, owners: list[str]) -> None:
    """Remove the locks of dead owners, once everything they held was taken back."""
    for owner in owners:
        (folder / f"{owner}.lock").unlink(missing_ok=True)


def _is_free(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # gone, or another user's: its leases end by themselves
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False
    finally:
        os.close(descriptor)
