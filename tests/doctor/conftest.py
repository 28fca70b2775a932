"""A sound machine, as far as settings go; each test changes what it is about, and looks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.doctor.examine import examine
from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from local.doctor.table import CHECKS
from local.running import free_ports

Look = Callable[..., Finding]
ROOT = Path(__file__).parent.parent.parent
NO_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}
BY_NAME = {check.name: check for check in CHECKS}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def look(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Run one check by its name; whatever it does not find right has a line that mends it."""
    (port,) = free_ports(1)
    usual = {
        "DATA_DIR": str(data_dir),
        "MODEL_DIR": "pocket",
        "API_SECRET_KEY": "5f2c9be07d1846a3b0e4d7f1c2a98e36",
        "PORT": str(port),
    }
    for name, value in {**usual, **NO_METADATA}.items():
        monkeypatch.setenv(name, value)

    def run(name: str, machine: Machine | None = None, **env: str) -> Finding:
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        finding = examine(BY_NAME[name], machine or Machine())
        assert bool(finding.mend) is (finding.state is not State.OK), finding
        return finding

    return run
