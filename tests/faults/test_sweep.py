"""A process is killed between any two persistent steps, started again, and nothing is lost."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fault_sweep import AROUND, INTAKE, LIFE, RECOVERY, ROOT, SETUP, STORE, check

RUNS_MAX = 6
Life = Callable[..., int]


def in_the_code() -> set[str]:
    names = set()
    for part in ("gateway", "jobstore", "runner"):
        for source in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint":
                    assert isinstance(node.args[0], ast.Constant), f"{source}:{node.lineno}"
                    names.add(str(node.args[0].value))
    return names


def test_every_failpoint_of_the_code_is_swept() -> None:
    assert in_the_code() == {*STORE, *RECOVERY, *AROUND, *INTAKE, *SETUP}


@pytest.fixture
def life(empty_url: str, tmp_path: Path) -> Life:
    """Run the life of the jobs once, to be killed at a step if asked; its exit code."""

    def run(number: int, killed_at: str | None = None) -> int:
        env = {name: value for name, value in os.environ.items() if name != "FAILPOINT"}
        env["PYTHONPATH"] = str(ROOT)
        if killed_at:
            env["FAILPOINT"] = f"kill:{killed_at}"
        command = [sys.executable, str(LIFE), empty_url, str(tmp_path / "wake"), str(number)]
        done = subprocess.run(
            [*command, str(tmp_path / "acknowledged")],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in {0, -9}, done.stderr
        return done.returncode

    return run


@pytest.mark.parametrize("place", STORE)
def test_a_kill_at_a_step_loses_nothing(
    life: Life, empty_url: str, tmp_path: Path, place: str
) -> None:
    assert life(1, killed_at=place) == -9, "the step was never reached"
    assert life(2) == 0
    check(empty_url, tmp_path)


@pytest.mark.parametrize("place", ["claim.committed", "deliver.claimed", "settle.delivered"])
def test_a_second_kill_during_recovery_loses_nothing(
    life: Life, empty_url: str, tmp_path: Path, place: str
) -> None:
    """The second one comes at the very same step, or while the first one's job is taken back."""
    assert life(1, killed_at=place) == -9
    second = "rescue.taken" if place.startswith("claim") else place
    assert life(2, killed_at=second) == -9
    assert life(3) == 0
    check(empty_url, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("second", [*STORE[3:], *RECOVERY])
@pytest.mark.parametrize("place", STORE)
def test_two_kills_at_any_two_steps_lose_nothing(
    life: Life, empty_url: str, tmp_path: Path, place: str, second: str
) -> None:
    assert life(1, killed_at=place) == -9
    number = 3 if life(2, killed_at=second) == -9 else 2
    while life(number) != 0:
        number += 1
        assert number < RUNS_MAX
    check(empty_url, tmp_path)
