"""One check, however it goes, and how all are shown."""

import io
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from local.doctor import report
from local.doctor.__main__ import stranger
from local.doctor.examine import examine
from local.doctor.finding import Finding, State, ok, warn
from local.doctor.machine import Machine
from local.doctor.table import Check

ROOT = Path(__file__).parent.parent.parent


def test_a_check_that_breaks_or_hangs_has_failed() -> None:
    def breaks(_machine: Machine) -> Finding:
        message = "no\nsuch luck"
        raise LookupError(message)

    found = examine(Check("breaks", breaks), Machine())
    assert (found.state, found.found) == (State.FAIL, "the check broke: LookupError: no such luck")
    asked = subprocess.run(
        [sys.executable, "-c", HANGS],
        cwd=ROOT / "bin",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert asked.stdout.startswith("fail no answer within 0.2 s"), asked.stderr


HANGS = """
import os, threading
from local.doctor.examine import examine
from local.doctor.machine import Machine
from local.doctor.table import Check
found = examine(Check("hangs", lambda machine: threading.Event().wait(), 0.2), Machine())
print(found.state, found.found, flush=True)
os._exit(0)
"""


def test_who_is_a_stranger_here_is_told_at_once(tmp_path: Path) -> None:
    """He could read neither settings nor store, and would be told twenty times."""
    owner = tmp_path.stat().st_uid
    assert stranger(tmp_path, owner) is None
    assert stranger(tmp_path, 0) is None
    assert stranger(tmp_path / "nowhere", owner + 1) is None
    assert "sudo bin/wan22 doctor" in str(stranger(tmp_path, owner + 1))


def test_a_terminal_gets_a_table() -> None:
    found = [("one", ok("right")), ("two", warn("nearly [right]", "do this"))]
    screen = io.StringIO()
    console = Console(width=80, file=screen)
    report.show(found, console)
    drawn = screen.getvalue()
    assert "nearly [right]" in drawn
    assert "-> do this" in drawn
    assert "1 ok, 1 warn, 0 fail" in drawn
