"""Every command tells what it does, and nothing else happens then."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMANDS = sorted(file for file in (ROOT / "bin").iterdir() if file.is_file())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_a_command_tells_what_it_does(command: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert f"bin/{command.name}" in told.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["setup", "update", "uninstall", "start", "stop", "wan22"])
def test_what_is_not_known_is_refused_with_the_usage(name: str) -> None:
    told = subprocess.run(
        [ROOT / "bin" / name, "--no-such-thing"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "--no-such-thing" in told.stderr
    assert "usage" in told.stderr
