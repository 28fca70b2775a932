"""The gate for pictures: what a stranger sends is read in a process of its own, never in this one.

Each picture has a darkroom of its own. That gets the bytes and no more: no secret, no file, no
connection. What it answers is looked at as if the stranger had written it, since he may have.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import IO

from structlog.stdlib import get_logger

from gateway.cell import LOCKED, Limits
from gateway.pictures import LIMIT_BYTES, SIDE_KEPT, Picture, PictureRefused
from gateway.problems import Problem

log = get_logger()

# Of the pictures that come in, a WebP of 25 megapixels with transparency takes the most: 0.6 GB,
# and two seconds of a core. Of those that come out, noise takes the most: 18.8 MiB.
LIMITS = Limits(memory_bytes=1 << 30, cpu_s=8, answer_bytes=SIDE_KEPT * SIDE_KEPT * 3 + (1 << 20))
WALL_S = 16.0
HOUSE = str(Path(__file__).parent.parent)
HEAD_LIMIT_BYTES = 4096
NOTES_LIMIT = 2
PASSED_ON = ("LD_LIBRARY_PATH",)  # some Pythons do not start without it
# Source: PNG specification, 5.2 and 11.2.1: the signature, and an IHDR that says 8 bits of RGB.
PNG_HEAD = struct.Struct(">16sII5s")
PNG_START, PNG_RGB = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", bytes((8, 2, 0, 0, 0))
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
SAID = {
    "MemoryError": "takes too much memory to read",
    "timeout": "takes too long to read",
}


class GateUnavailable(Problem):
    """No process can be had to read a picture in; of the picture nothing is known: try again."""

    def __init__(self) -> None:
        """Say it to the caller."""
        message = "Pictures cannot be read right now; nothing was accepted. Try again shortly."
        fault = Problem.of("pictures_unavailable", message).faults
        super().__init__(fault, headers={"Retry-After": "5"})


def admit(content: bytes | IO[bytes], limits: Limits = LIMITS, wall_s: float = WALL_S) -> Picture:
    """Make a plain picture of what a stranger has sent; waits until that is done.

    Args:
        content: the bytes of a file, or an open file, which is read from where it stands.
        limits: what reading it may use.
        wall_s: how long it may take.

    Raises:
        PictureRefused: it is none that can be used; the message says what would be.
        GateUnavailable: this machine cannot look at it now.
    """
    given = content if isinstance(content, bytes) else content.read(LIMIT_BYTES + 1)
    if len(given) > LIMIT_BYTES:
        message = f"is larger than {LIMIT_BYTES >> 20} MiB; send a smaller image"
        raise PictureRefused(message)
    try:
        with memory("picture") as sent, memory("answer") as answer:
            sent.write(given)
            sent.seek(0)
            fault = develop(sent, answer, limits, wall_s)
            if not was_locked(answer):
                raise ChildProcessError(fault or last_line(answer))
            return judge(answer, limits, fault)
    except OSError as error:
        log.error("darkroom.failed", error=f"{type(error).__name__}: {error}")
        raise GateUnavailable from error


def memory(name: str) -> IO[bytes]:
    """Open a file that lies in memory alone.

    Raises:
        OSError: there can be no more of them.
    """
    return os.fdopen(os.memfd_create(name), "w+b")


def develop(sent: IO[bytes], answer: IO[bytes], limits: Limits, wall_s: float) -> str:
    """Run a darkroom to its end, or for as long as it may take.

    It ends as well when the thread ends in which this was called.

    Returns:
        What ended it, if it did not end by itself.

    Raises:
        OSError: it could not be started.
    """
    with subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", "gateway.darkroom", *map(str, (*limits, os.getpid()))],
        stdin=sent,
        stdout=answer,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment(),
        start_new_session=True,  # Ctrl-C is meant for us
    ) as process:
        try:
            in_time = ends(process.pid, wall_s)
        finally:
            process.kill()
    if not in_time or process.returncode == -signal.SIGXCPU:
        return "timeout"
    return f"{signal.strsignal(-process.returncode)}" if process.returncode < 0 else ""


def environment() -> dict[str, str]:
    """Put together what a darkroom is told: where the modules are, and none of our secrets.

    With the path of this process it need not put together one itself, which takes half its start.
    """
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = os.pathsep.join([HOUSE, *filter(None, sys.path)])
    return passed_on | {"PYTHONPATH": path}


def ends(pid: int, wall_s: float) -> bool:
    """Wait until a process ends; tell whether it did.

    Raises:
        OSError: it cannot be waited for.
    """
    process = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        return bool(poll.poll(wall_s * 1000))
    finally:
        os.close(process)


def was_locked(answer: IO[bytes]) -> bool:
    """Tell whether a darkroom had begun with its picture; its answer then comes next."""
    answer.seek(0)
    return answer.read(len(LOCKED)) == LOCKED


def last_line(answer: IO[bytes]) -> str:
    """Find what a darkroom that could not be made ready said last."""
    answer.seek(-min(answer.seek(0, os.SEEK_END), HEAD_LIMIT_BYTES), os.SEEK_END)
    lines = answer.read(HEAD_LIMIT_BYTES).decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line), "it said nothing")


def judge(answer: IO[bytes], limits: Limits, fault: str = "") -> Picture:
    """Look at what a darkroom has answered, of which anything may be wrong.

    Args:
        answer: what it has answered, and nothing read yet but that it was locked.
        limits: what it was allowed.
        fault: what ended it, if it did not end by itself.

    Raises:
        PictureRefused: the picture was not good, or broke the darkroom.
    """
    try:
        head = {"broken": fault} if fault else json.loads(answer.readline(HEAD_LIMIT_BYTES))
    except (ValueError, RecursionError):
        head = None
    match head:
        case {"refused": str(said)} if said.isprintable():
            raise PictureRefused(said)
        case {"broken": str(reason)} if reason.isprintable():
            raise broken(reason)
        case {"notes": [*notes]}:
            picture = picture_of(answer.read(limits.answer_bytes + 1))
            for note in notes[:NOTES_LIMIT]:
                log.info("picture.untagged", error=repr(note))
            return picture
    raise broken("answer")


def broken(reason: str) -> PictureRefused:
    """Note that a picture broke its darkroom, and say to the sender what he can do."""
    log.warning("picture.broken", reason=reason)
    return PictureRefused(f"{SAID.get(reason, 'cannot be read')}; save it anew as a plain PNG")


def picture_of(png: bytes) -> Picture:
    """Take a PNG that was answered, if it is one of those that a darkroom makes.

    Raises:
        PictureRefused: it is not.
    """
    if len(png) >= PNG_HEAD.size and png.endswith(PNG_END):
        start, width, height, kind = PNG_HEAD.unpack_from(png)
        if (
            (start, kind) == (PNG_START, PNG_RGB)
            and min(width, height) > 0
            and max(width, height) <= SIDE_KEPT
        ):
            return Picture(png, (width, height))
    raise broken("answer")
