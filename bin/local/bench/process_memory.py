"""What one process holds of this machine's memory, and a limit on it that the kernel enforces."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def anonymous_bytes(pid: int) -> int:
    """Count what belongs to nobody but the process: the kernel cannot drop it, only swap it out."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return sum(
        kib(line) for line in status.splitlines() if line.startswith(("RssAnon:", "VmSwap:"))
    )


def resident_bytes(pid: int) -> int:
    """Count what of a process is in memory now, also what it shares with others."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return sum(kib(line) for line in status.splitlines() if line.startswith("VmRSS:"))


def mapped_bytes(pid: int, folder: Path) -> int:
    """Count the resident pages of the files of a folder, as long as they are the files' own."""
    resident, counts = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        field, _, rest = line.partition(" ")
        if not field.endswith(":"):
            counts = f" {folder}/" in rest
        elif counts and field == "Rss:":
            resident += kib(line)
        elif counts and field == "Anonymous:":
            resident -= kib(line)
    return resident


def kib(line: str) -> int:
    """Read a line such as `Rss: 12 kB`, in bytes."""
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def confined(limit_bytes: int) -> Iterator[Path | None]:
    """Make a control group with a limit of memory, the page cache of its files included.

    Yields:
        Its folder, for `confine`; None where none can be made: that takes root, and a kernel that
        lets this process's own group be divided.

    Source:
        Linux, Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst: in the first a
        group stands below ours; in the second beside it, since a group with processes of its own
        hands no controller on.
    """
    group = None
    with contextlib.suppress(OSError):
        group = made_group(limit_bytes)
    try:
        yield group
    finally:
        if group:
            group.rmdir()


def made_group(limit_bytes: int) -> Path:
    """Make the group.

    Raises:
        OSError: that is not allowed here.
    """
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {controllers: path for _, controllers, path in groups}
    if "memory" in own:
        parent, file = CGROUPS / "memory" / own["memory"].strip("/"), "memory.limit_in_bytes"
    else:
        here = CGROUPS / own.get("", "/").strip("/")
        parent, file = (here if here == CGROUPS else here.parent), "memory.max"
    group = parent / f"wan22-bench-{os.getpid()}"
    group.mkdir()
    try:
        (group / file).write_text(str(limit_bytes), encoding="ascii")
    except OSError:
        group.rmdir()
        raise
    return group


def confine(pid: int, group: Path) -> None:
    """Move a process into a group; what it takes from now on counts there."""
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
