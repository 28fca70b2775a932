"""The disk under DATA_DIR: room and speed."""

import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jobstore import settings
from jobstore.disk import Disk, Room
from jobstore.settings import Settings
from local.doctor.finding import Finding, fail, gib, ok, warn
from local.doctor.machine import Machine

WEIGHTS_BYTES = 24e9
PIECE = os.urandom(4 << 20)
MOST_BYTES = 128 << 20
MOST_S = 4.0  # for writing
SYNCS = 20
SLOW_BYTES_S = 100e6  # a gp3 volume has 125 MB/s when nothing more is paid for
SLOW_SYNC_S = 0.03


def room(_machine: Machine) -> Finding:
    """Look how much of the disk is free, and which mark that is below."""
    given = settings.read(Settings)
    usage = shutil.disk_usage(given.data_dir)
    found = f"{gib(usage.free)} of {gib(usage.total)} free in {given.data_dir}"
    mend = "bin/wan22 prune --dry-run shows what may go; or make the volume larger"
    match Disk(given).room:
        case Room.FULL:
            return fail(f"{found}, below DISK_FULL_BYTES: nothing new is taken in", mend)
        case Room.LOW:
            return fail(f"{found}, below DISK_LOW_BYTES: no render begins", mend)
        case _:
            return ok(found)


def speed(machine: Machine) -> Finding:
    """Write and read a file of a bounded size, past what memory holds, and time it."""
    with scratch(machine.data_dir / "work") as file:
        sync_s = statistics.median(syncs(file))
        written, write_s = write(file)
        read_s = read(file)
    return judged(written / write_s, written / read_s, sync_s)


def judged(write_bytes_s: float, read_bytes_s: float, sync_s: float) -> Finding:
    """Judge speeds in bytes a second, and how long a write takes to be safe."""
    load_s = WEIGHTS_BYTES / read_bytes_s
    found = (
        f"writes {write_bytes_s / 1e6:.0f} MB/s, reads {read_bytes_s / 1e6:.0f} MB/s (24 GB of"
        f" weights in {load_s:.0f} s), a small write is safe after {sync_s * 1000:.1f} ms"
    )
    if read_bytes_s < SLOW_BYTES_S:
        return warn(f"{found}: loading is slow", "raise the throughput of the volume (gp3)")
    if sync_s > SLOW_SYNC_S:
        return warn(f"{found}: taking in jobs is slow", "use a local SSD or a gp3 volume")
    return ok(found)


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[int]:
    """Lend a file that is gone afterwards; its name begins as no other does."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file.fileno()


def syncs(file: int) -> list[float]:
    """Time small writes that have to be safe, as the job store makes them."""
    times = []
    for _ in range(SYNCS):
        began = time.perf_counter()
        os.pwrite(file, PIECE[:4096], 0)
        os.fdatasync(file)
        times.append(time.perf_counter() - began)
    return times


def write(file: int) -> tuple[int, float]:
    """Write for a bounded time, and make it safe; bytes and seconds."""
    began = time.perf_counter()
    written = 0
    while written < MOST_BYTES and time.perf_counter() - began < MOST_S:
        written += os.pwrite(file, PIECE, written)
        os.fdatasync(file)
    return written, time.perf_counter() - began


def read(file: int) -> float:
    """Read all of it from the disk; seconds."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    began = time.perf_counter()
    place = 0
    while piece := os.pread(file, len(PIECE), place):
        place += len(piece)
    return time.perf_counter() - began
