"""The timer of the idle stop and its service: systemd takes them, and only one line has rights."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
UNITS = ROOT / "bin" / "systemd"
SERVICE = UNITS / "wan22-idle.service"
PYTHON, SYSTEMCTL = "opt/wan22/current/.venv/bin/python", "usr/bin/systemctl"
EXPOSED_MOST = 2.0


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The part of a machine that systemd looks at: its own units, ours, and what ours start."""
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for unit in UNITS.glob("wan22-idle.*"):
        target = tmp_path / "etc/systemd/system" / unit.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(unit, target)
    for program in (PYTHON, SYSTEMCTL):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    return tmp_path


def verified(machine: Path) -> str:
    asked = ["systemd-analyze", "verify", f"--root={machine}", "--man=no", "--recursive-errors=yes"]
    units = ["wan22-idle.service", "wan22-idle.timer"]
    done = subprocess.run([*asked, *units], capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def test_systemd_finds_nothing_wrong(machine: Path) -> None:
    assert verified(machine) == ""


def test_systemd_would_find_something(machine: Path) -> None:
    (machine / PYTHON).unlink()
    assert "is not executable" in verified(machine)


def test_little_is_left_that_the_look_could_do() -> None:
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(SERVICE)]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", told)
    assert found
    print(f"figure: exposure of wan22-idle.service {found[1]} of 10, at most {EXPOSED_MOST}")
    assert float(found[1]) <= EXPOSED_MOST


def test_all_that_is_done_with_rights_is_to_power_off() -> None:
    """The look is a condition: 1 skips the rest, and no setting reaches what has the rights."""
    lines = SERVICE.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("Exec")]
    assert commands == [
        f"ExecCondition=/{PYTHON} -P -m runner.idle --ask",
        f"ExecStart=+/{SYSTEMCTL} poweroff",
    ]
    assert "User=wan22" in lines
