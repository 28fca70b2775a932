"""bin/prepare: it installs once, for the place where it is, however many ask at once.

Real but for the Python: one that notes what it is asked and installs nothing.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FAKE = """#!/bin/sh
case "$*" in
    "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *sys.version_info*) ;;
    *"-e .[local]") sleep 1 ;;
esac
case "$*" in
    *"print(sys.version_info"*) echo "${FAKE_VERSION:-(3, 11)}" ;;
    *sys.version_info*) ;;
    *) echo "$*" >> ../asked ;;
esac
"""
MADE, INSTALLED = "-m venv .venv", "-m pip install -qq -c requirements.txt -e .[local]"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What bin/prepare looks at, in a folder with a space."""
    folder = tmp_path / "a checkout"
    for name in ("requirements.txt", "setup.cfg", "pyproject.toml", "bin/prepare"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (tmp_path / "python").write_text(FAKE)
    (tmp_path / "python").chmod(0o755)
    return folder


def start(checkout: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [checkout / "bin" / "prepare", "local"],
        env=os.environ | {"PYTHON": str(checkout.parent / "python")} | env,
        stderr=subprocess.PIPE,
        text=True,
    )


def prepare(checkout: Path, **env: str) -> list[str]:
    """Run it, and answer what of its two great works it did."""
    asked = checkout.parent / "asked"
    asked.unlink(missing_ok=True)
    _, said = start(checkout, **env).communicate(timeout=60)
    assert said.count("\n") == asked.exists(), said
    lines = asked.read_text().splitlines() if asked.exists() else []
    return [line for line in lines if line in {MADE, INSTALLED}]


def test_it_installs_once(checkout: Path) -> None:
    assert prepare(checkout) == [MADE, INSTALLED]
    assert prepare(checkout) == []


@pytest.mark.parametrize("how", ["move", "copy"])
def test_another_place_gets_a_venv_of_its_own(checkout: Path, how: str) -> None:
    assert prepare(checkout) == [MADE, INSTALLED]
    other = checkout.with_name("b")
    (shutil.move if how == "move" else shutil.copytree)(checkout, other)
    assert prepare(other) == [MADE, INSTALLED]
    assert prepare(other) == []


def test_another_python_gets_a_venv_of_its_own(checkout: Path) -> None:
    assert prepare(checkout) == [MADE, INSTALLED]
    assert prepare(checkout, FAKE_VERSION="(3, 12)") == [MADE, INSTALLED]


def test_two_at_once_wait_for_each_other(checkout: Path) -> None:
    both = [start(checkout), start(checkout)]
    said = [one.communicate(timeout=60)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sum("waiting for it" in one for one in said) == 1
    asked = (checkout.parent / "asked").read_text().splitlines()
    assert (asked.count(MADE), asked.count(INSTALLED)) == (1, 1)
