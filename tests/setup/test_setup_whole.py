"""The whole set-up with nothing left out: a release with libraries of its own, in an empty home."""

import shutil
from pathlib import Path

import pytest

import confined
from set_up import CHECKOUT, listing, run


def pythons() -> list[str]:
    """List what a machine may have of Pythons that a unit can see."""
    names = ("python3.13", "python3.12", "python3.11", "python3")
    return [
        found for name in names if (found := shutil.which(name, path="/usr/bin:/usr/local/bin"))
    ]


@pytest.mark.long
def test_a_second_run_changes_nothing_and_no_unit_needs_a_home(tmp_path: Path) -> None:
    root = tmp_path / "root"
    python = next(iter(pythons()), "")
    assert python, "this needs a Python outside of /home and /root: apt-get install python3-venv"
    assert run("setup", root, "--check", "--no-weights").returncode == 1
    first = run("setup", root, "--no-weights", PYTHON=python)
    assert first.returncode == 0, first.stderr
    before = listing(root)
    second = run("setup", root, "--no-weights")
    assert (second.returncode, second.stderr.count(": already there")) == (0, 7)
    assert run("setup", root, "--check", "--no-weights").returncode == 0
    assert listing(root) == before
    current = root / "opt" / "wan22" / "current"
    interpreter = (current / ".venv" / "bin" / "python").resolve()
    assert not interpreter.is_relative_to("/home")
    assert not interpreter.is_relative_to("/root")
    for unit in (CHECKOUT / "bin" / "systemd").glob("*.service"):
        command = confined.setting(unit, "ExecStart").split()[0]
        assert (current / Path(command).relative_to("/opt/wan22/current")).exists()
