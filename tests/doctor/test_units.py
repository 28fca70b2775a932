"""The doctor compares the units with those of this release, and asks systemd for them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from local.doctor.units import STAGES, TARGET, names

Look = Callable[..., Finding]
SYSTEMCTL = """#!/bin/sh
cat "$STATES/$1-$2" 2>/dev/null || echo unknown
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One that systemd runs, as far as its folders tell; its program answers from files."""
    root, release = tmp_path / "root", tmp_path / "release"
    for folder in (root / "run/systemd/system", root / "etc/systemd/system"):
        folder.mkdir(parents=True)
    (release / "bin" / "systemd").mkdir(parents=True)
    states = tmp_path / "states"
    states.mkdir()
    for name in (*STAGES, TARGET):
        for folder in (root / "etc/systemd/system", release / "bin" / "systemd"):
            (folder / name).write_text(f"[Unit]\nDescription={name}\n")
        (states / f"is-active-{name}").write_text("active\n")
    (states / f"is-enabled-{TARGET}").write_text("enabled\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    monkeypatch.setenv("STATES", str(states))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Machine(root=root, release=release)


def test_units_that_are_as_they_should_be(look: Look, machine: Machine) -> None:
    assert look("units", machine).state is State.OK
    assert look("active", machine).state is State.OK


def test_the_units_of_this_release_are_those_that_are_asked_for() -> None:
    assert {*STAGES, TARGET} <= set(names(Machine()))


def test_a_machine_without_systemd(look: Look, tmp_path: Path) -> None:
    for name in ("units", "active"):
        assert "no systemd here" in look(name, Machine(root=tmp_path)).found


def test_a_unit_that_is_missing_or_another_is_told(look: Look, machine: Machine) -> None:
    unit = machine.root / "etc/systemd/system" / STAGES[0]
    unit.write_text("[Unit]\nDescription=altered\n")
    assert look("units", machine).state is State.WARN
    unit.unlink()
    found = look("units", machine)
    assert found.state is State.FAIL
    assert STAGES[0] in found.found


def test_a_stage_that_does_not_run_is_told(look: Look, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "states" / f"is-enabled-{TARGET}").write_text("disabled\n")
    assert look("active", machine).state is State.WARN
    (tmp_path / "states" / f"is-active-{STAGES[1]}").write_text("failed\n")
    found = look("active", machine)
    assert found.state is State.FAIL
    assert f"{STAGES[1]} is failed" in found.found
