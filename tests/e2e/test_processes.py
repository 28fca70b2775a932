"""How the processes start, what they weigh, and how they refuse a wrong setting."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.stack import Stack


def test_the_gateway_and_the_client_load_no_torch() -> None:
    check = (
        "import sys, gateway.app, gateway.__main__, gateway.client\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_what_the_gateway_takes_to_start(tmp_path: Path) -> None:
    """Printed, not judged: machines differ."""
    with Stack(tmp_path) as stack:
        began = time.monotonic()
        pid = stack.up("gateway").pid
        took = time.monotonic() - began
        assert stack.health()["status"] == "degraded"
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    print(f"figure: gateway: ready in {took:.2f} s, {resident / 1024:.0f} MiB resident")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_that_is_told_to_stop_ends_in_good_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Stack(tmp_path) as stack:
        running = stack.up("gateway")
        assert running.end(number) == 0
        assert "gateway.stopped" in running.tail(1)


PROCESSES = {
    "gateway": {"API_SECRET_KEY", "S3_REGION", "MODEL_DIR", "PORT", "HEARTBEAT_S"},
    "runner render": {"MODEL_DIR", "HEARTBEAT_S"},
    "runner deliver": {"S3_REGION", "HEARTBEAT_S"},
}


@pytest.mark.parametrize(("module", "wrong"), PROCESSES.items(), ids=PROCESSES.keys())
def test_a_wrong_environment_is_refused_with_every_fault(
    module: str, wrong: set[str], tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "PORT": "x"}
    env |= {"HEARTBEAT_S": "0", "S3_BUCKET": "bucket"}
    run = subprocess.run(
        [sys.executable, "-m", *module.split()],
        env=env,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 2
    assert {line.split()[0] for line in run.stderr.splitlines()} == wrong


def test_a_port_that_is_taken_ends_the_gateway(tmp_path: Path, stack: Stack) -> None:
    with Stack(tmp_path) as other:
        running = other.launch("gateway", PORT=str(stack.port))
        assert running.wait_for_end() != 0
        assert "address already in use" in running.tail()
