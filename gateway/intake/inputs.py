"""The folder into which job files are dropped, and the folders in it where they end.

It is opened by its path at each look, since it may vanish, come back or be put on another disk, and
everything in it is reached through the open folder: no name leads out of it.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MODE = 0o2770  # the service and the group of those who drop files, and new files belong to it
ACCEPTED, REJECTED, STATUS = "accepted", "rejected", "status"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Inputs:
    """The open folder and the three in it, by descriptors; `place` tells which folder it is."""

    folder: int
    accepted: int
    rejected: int
    status: int
    place: tuple[int, int]

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open the folder, made if need be, for one look.

        Raises:
            OSError: it is none, a link, or cannot be written.
        """
        with contextlib.ExitStack() as opened:
            with contextlib.suppress(FileExistsError):
                make(path)
            folder = os.open(path, FOLDER)
            opened.callback(os.close, folder)
            inner = []
            for name in (ACCEPTED, REJECTED, STATUS):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, mode=0o770, dir_fd=folder)
                inner.append(os.open(name, FOLDER, dir_fd=folder))
                opened.callback(os.close, inner[-1])
            found = os.fstat(folder)
            accepted, rejected, status = inner
            yield cls(folder, accepted, rejected, status, (found.st_dev, found.st_ino))

    @property
    def is_sticky(self) -> bool:
        """Whether the files of others cannot be moved away."""
        return bool(os.fstat(self.folder).st_mode & stat.S_ISVTX)

    def check_rights(self) -> None:
        """Check that files can be moved.

        Raises:
            PermissionError: they cannot: the folder is read-only, or not ours to write.
        """
        for folder in (self.folder, self.accepted, self.rejected, self.status):
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
                message = "the folder, or one in it, cannot be written"
                raise PermissionError(message)

    def sync(self) -> None:
        """Make all moves survive a power cut."""
        for folder in (self.accepted, self.rejected, self.folder):
            os.fsync(folder)


def make(path: Path) -> None:
    """Make the folder, with the rights that droppers need.

    Raises:
        FileExistsError: something is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir()
    path.chmod(MODE)


def write_whole(folder: int, name: str, content: bytes, *, lasting: bool = False) -> None:
    """Write a file in an open folder so that nobody ever sees a part of it.

    `lasting`: what is in it survives a power cut; what is written anew all the time need not.
    """
    work = f".{name}.part"[-255:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(work, flags, 0o660, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            if lasting:
                out.flush()
                os.fsync(descriptor)
        os.rename(work, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(work, dir_fd=folder)
        raise
