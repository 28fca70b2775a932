"""One dropped file: what it is, when it has come to rest, and what is in it."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import Self

from gateway.problems import Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.json")
IGNORED = re.compile(r"\..*|.*(\.part|\.tmp|~|\.swp)", re.DOTALL)
RESTS_NS = 1_000_000_000  # what was written in place is taken once nothing has changed for so long
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotYet(Exception):
    """It is being written, or what it needs is not there: look again later."""


@dataclass(frozen=True)
class Dropped:
    """A name in the folder and what stands behind it, as it was when it was looked at."""

    name: str
    mode: int
    links: int
    size: int
    ino: tuple[int, int]
    written_ns: int
    changed_ns: int

    @classmethod
    def look(cls, folder: int, name: str) -> Self:
        """Look at a name, never through a link.

        Raises:
            FileNotFoundError: it is gone.
        """
        return cls.of(name, os.stat(name, dir_fd=folder, follow_symlinks=False))

    @classmethod
    def of(cls, name: str, seen: os.stat_result) -> Self:
        """Make it of what the system says."""
        ino = (seen.st_dev, seen.st_ino)
        times = (seen.st_mtime_ns, seen.st_ctime_ns)
        return cls(name, seen.st_mode, seen.st_nlink, seen.st_size, ino, *times)

    def rests(self, now_ns: int) -> bool:
        """Tell whether nobody writes it any more, as far as its times tell.

        Writing sets both times of a file alike. A later change of the other one alone is what is
        left by moving it here, or by setting its times once it was whole (`rsync`, `scp -p`).
        """
        return self.changed_ns > self.written_ns or not self.changed_within(RESTS_NS, now_ns)

    def changed_within(self, span_ns: int, now_ns: int) -> bool:
        """Tell whether it changed lately; with a clock that was set back, it did not."""
        return 0 <= now_ns - max(self.written_ns, self.changed_ns) < span_ns

    def check(self) -> None:
        """Check that it is a plain file under a plain name.

        Raises:
            Problem: `file_wrong`.
        """
        if not NAME.fullmatch(self.name):
            message = (
                "A job file is called NAME.json: letters, digits, dots, dashes and underlines, not"
                " more than 128, a letter or digit first, and .json in small letters."
            )
            raise Problem.of("file_wrong", message)
        if not stat.S_ISREG(self.mode):
            raise Problem.of("file_wrong", "A job file is a plain file, no link, folder or device.")
        if self.links > 1:
            message = "This file has another name somewhere (a hard link); copy it here instead."
            raise Problem.of("file_wrong", message)

    def read(self, folder: int, limit: int, too_large: Problem) -> bytes:
        """Read all of it.

        Raises:
            NotYet: it changed meanwhile.
            Problem: `too_large`, or `file_wrong`: it may not be read.
        """
        try:
            descriptor = os.open(self.name, READ, dir_fd=folder)
        except FileNotFoundError as error:
            raise NotYet from error
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO}:
                raise
            message = f"{self.name} cannot be read; give its group the right to: chmod g+r."
            raise Problem.of("file_wrong", message) from error
        if Dropped.of(self.name, os.fstat(descriptor)) != self:  # before any read: it may be a pipe
            os.close(descriptor)
            raise NotYet
        with os.fdopen(descriptor, "rb") as file:
            if self.size > limit:
                raise too_large
            content = file.read(limit + 1)
            if Dropped.of(self.name, os.fstat(file.fileno())) != self or len(content) != self.size:
                raise NotYet
        return content
