"""The gate and its machine: what it leaves behind, and what it says when it cannot work."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strangers import darkrooms_of, picture, seeds, slow_jpeg

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 60
OPENING = """
import os, resource, sys, threading
from pathlib import Path
from gateway.gate import LIMITS, GateUnavailable, PictureRefused, admit
from jobstore import logs
logs.configure("gateway")
contents = [Path(name).read_bytes() for name in sys.argv[1:]]
"""
MANY = """
def held():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024, len(os.listdir("/proc/self/fd"))

def read(count):
    for number in range(count):
        try:
            admit(contents[number % len(contents)], LIMITS._replace(memory_bytes=100 << 20))
        except PictureRefused:
            pass

read(15)
before = held()
read(COUNT)
after = held()
try:
    left = os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    left = "nobody"
print(after[0] - before[0], after[1] - before[1], left)
"""
SLOW = """
thread = threading.Thread(target=admit, args=contents)
thread.start()
thread.join()
"""
TOLD = """
try:
    print(admit(contents[0]).size)
except GateUnavailable as error:
    print(error.code, error.headers["Retry-After"])
"""
WITHOUT: dict[str, tuple[str, str]] = {
    "files": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) - 1,) * 2)",
        "OSError: [Errno 24] Too many open files",
    ),
    "processes": (
        "os.getuid() or os.setresuid(9, 9, 9); resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))",
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
    ),
    "modules": (
        "sys.path[:] = [place for place in sys.path if 'site-packages' not in place]",
        "ChildProcessError: ModuleNotFoundError: No module named 'PIL'",
    ),
}


@pytest.fixture
def sent(tmp_path: Path) -> list[str]:
    """Name files: a picture, one that is broken off, and one that takes too much memory."""
    files = {
        "good": seeds()["JPEG"],
        "cut": seeds()["WebP"][:-200],
        "large": picture("RGB", (8000, 3000), compress_level=9),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in files]


def run(script: str, files: list[str]) -> list[str]:
    """Run a gate in a process of its own; answers the lines that it said."""
    done = subprocess.run(
        [sys.executable, "-c", OPENING + script, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "count", [30, pytest.param(210, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_many_pictures_leave_nothing_behind(count: int, sent: list[str]) -> None:
    """Neither memory, nor open files, nor processes, dead or alive."""
    *logs, figures = run(MANY.replace("COUNT", str(count)), sent)
    grown_kib, files, *left = figures.split()
    print(f"figure: after {count} more pictures the gate holds {grown_kib} KiB more")
    assert int(grown_kib) < 1024
    assert (files, left) == ("0", ["nobody"])
    assert len(logs) == (count + 15) // 3, "one line for each that broke a darkroom"


def test_a_darkroom_does_not_outlive_a_killed_gateway(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_bytes(slow_jpeg())
    deadline = time.monotonic() + PATIENCE_S
    with subprocess.Popen([sys.executable, "-c", OPENING + SLOW, str(slow)], cwd=ROOT) as gateway:
        while not (found := darkrooms_of(gateway.pid)):
            assert time.monotonic() < deadline, "there is none"
            time.sleep(0.005)
        darkroom = os.pidfd_open(found[0])
        gateway.send_signal(signal.SIGKILL)
        poll = select.poll()
        poll.register(darkroom, select.POLLIN)
        killed = time.monotonic()
        assert poll.poll(PATIENCE_S * 1000)
        os.close(darkroom)
    assert time.monotonic() - killed < 2, "long before its own limits"


@pytest.mark.parametrize(("script", "said"), WITHOUT.values(), ids=WITHOUT.keys())
def test_a_machine_that_cannot_is_not_the_pictures_fault(
    script: str, said: str, sent: list[str]
) -> None:
    log, told = run(script + TOLD, sent[:1])
    assert told == "pictures_unavailable 5"
    line = json.loads(log)
    assert (line["event"], line["level"]) == ("darkroom.failed", "error")
    assert line["error"].startswith(said)
