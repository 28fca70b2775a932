"""Whoever is locked in can compute and answer, and nothing else."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cell

ROOT = Path(__file__).parent.parent.parent
OPENING = """
import ctypes, os, resource, signal, socket, subprocess, sys, tempfile
from gateway import cell

held = os.open("/", os.O_RDONLY)
parent, address, file = os.getppid(), int(sys.argv[1]), sys.argv[2]
limits = cell.Limits(memory_bytes=200 << 20, cpu_s=1, answer_bytes=1000)
libc = ctypes.CDLL(None, use_errno=True)

def look():
    mine = ctypes.create_string_buffer(8)
    places = [(ctypes.c_void_p * 2)(it, 8) for it in (ctypes.addressof(mine), address)]
    if libc.process_vm_readv(parent, places[0], 1, places[1], 1, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return mine.raw

def attempt():
    try:
        said = f"got {ATTEMPT}"
    except (OSError, MemoryError) as error:
        said = f"{type(error).__name__} {getattr(error, 'errno', None)}"
    os.write(1, said.encode())
"""
FREE, LOCKED = "attempt()", "cell.lock(limits, parent); attempt()"
LANDLOCK = cell.landlock()
# What is attempted, what comes of it in a cell, and the version of Landlock that this takes.
FORBIDDEN: dict[str, tuple[str, str, int]] = {
    "read": ("open(file).read()", "OSError 24", 0),
    "write": ("open(file + '.new', 'w').name", "OSError 24", 0),
    "connect": ("socket.socket().family", "OSError 24", 0),
    "run": ("subprocess.run(['true']).returncode", "OSError 24", 0),
    "take memory": ("len(bytearray(300 << 20))", "MemoryError None", 0),
    "remove": ("os.remove(file)", "PermissionError 13", 1),
    "make a folder": ("os.mkdir(file + '.d')", "PermissionError 13", 1),
    "empty": ("os.truncate(file, 0)", "PermissionError 13", 3),
    "signal": ("os.kill(parent, 0)", "PermissionError 1", 6),
}


def run(attempt: str, how: str, file: Path) -> "subprocess.CompletedProcess[str]":
    secret = ctypes.create_string_buffer(b"a secret")
    script = OPENING.replace("ATTEMPT", attempt) + how
    command = [sys.executable, "-c", script, str(ctypes.addressof(secret)), str(file)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.db"
    file.write_text("the truth")
    return file


@pytest.mark.parametrize(("attempt", "error", "since"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_is_possible_outside_is_not_inside(
    attempt: str, error: str, since: int, file: Path
) -> None:
    locked = run(attempt, LOCKED, file).stdout
    if since <= LANDLOCK:
        assert locked == f"locked\n{error}"
        assert file.read_text() == "the truth"
        assert [*file.parent.iterdir()] == [file]
        locked = run(attempt, FREE, file).stdout
    assert "got " in locked, "what this kernel cannot forbid"


def test_nobody_looks_out_of_a_cell(file: Path) -> None:
    """Outside it is a question of the system's own rules, inside it is not."""
    free, locked = (run("look()", how, file).stdout for how in (FREE, LOCKED))
    assert free in {"got b'a secret'", "PermissionError 1"}
    assert locked == ("locked\nPermissionError 1" if LANDLOCK else f"locked\n{free}")


def test_time_and_room_for_an_answer_have_an_end(file: Path) -> None:
    endless = run("max(iter(int, 1))", LOCKED, file)
    assert endless.returncode == -signal.SIGXCPU
    with file.open("wb") as answer:
        script = OPENING + "cell.lock(limits, parent)\nwhile True: os.write(1, bytes(600))"
        command = [sys.executable, "-c", script, "0", str(file)]
        subprocess.run(command, cwd=ROOT, stdout=answer, check=False)
    assert file.stat().st_size == 1000


def test_nobody_is_locked_in_for_a_parent_that_is_gone(file: Path) -> None:
    done = run("0", f"cell.lock(limits, {os.getppid()})", file)
    assert done.returncode == 1
