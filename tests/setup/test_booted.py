"""A day on a machine with a real systemd: set up, killed, hung, drained, booted anew, removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from booted import Booted, debian
from gateway.client import Client
from local.running import free_ports
from set_up import listing, settings

PROMPT = "a red circle moves right"
STAGES = ("gateway", "render", "deliver")
UNITS = [f"wan22-{stage}.service" for stage in STAGES]
ALL_ACTIVE = "\n".join(["active"] * len(STAGES))
PLACES = ("opt/wan22", "data", "etc/systemd", "usr/local")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return debian(tmp_path / "root")


@pytest.fixture
def machine(root: Path) -> Iterator[Booted]:
    """One that is set up, with the embedded model, and was started."""
    with Booted(root) as machine:
        python = {"PYTHON": "/usr/bin/python3"}
        assert machine.run("bin/setup", "--check", "--no-weights").returncode == 1
        first = machine.run("bin/setup", "--no-weights", **python)
        assert first.returncode == 0, first.stderr
        before = [listing(root / place) for place in PLACES]
        assert machine.run("bin/setup", "--no-weights", **python).returncode == 0
        assert [listing(root / place) for place in PLACES] == before
        (port,) = free_ports(1)
        with (root / "data/.env").open("a") as file:
            file.write(f"MODEL_DIR=pocket\nPORT={port}\n")
        started = machine.run("bin/start")
        assert "Ready: https://" in started.stderr, started.stderr
        yield machine


@pytest.fixture
def client(machine: Booted) -> Iterator[Client]:
    given = settings(machine.root)
    authority = machine.root / "data/tls/authority.pem"
    url = f"https://127.0.0.1:{given['PORT']}"
    with Client(url, given["API_SECRET_KEY"], authority=authority) as client:
        yield client


@pytest.mark.long
def test_a_day(machine: Booted, client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (128, 128), "red").save(tmp_path / "start.png")
    pictured = client.submit(PROMPT, tmp_path / "start.png")["job_id"]
    assert list(client.follow(pictured, patience_s=120))[-1]["status"] == "completed"

    killed = client.submit(PROMPT, steps=40)["job_id"]
    machine.run("systemctl", "kill", "-s", "KILL", *UNITS)
    machine.wait_for("1\n\n1\n\n1", "systemctl", "show", "-p", "NRestarts", "--value", *UNITS)
    assert machine.run("bin/start").returncode == 0
    assert list(client.follow(killed, patience_s=120))[-1]["status"] == "completed"

    machine.run("systemctl", "kill", "-s", "STOP", UNITS[0])
    machine.wait_for("2", "systemctl", "show", "-p", "NRestarts", "--value", UNITS[0])
    assert "Watchdog timeout" in machine.run("journalctl", "-o", "cat", "-u", UNITS[0]).stdout
    assert machine.run("bin/start").returncode == 0

    drained, next_one = (client.submit(PROMPT, steps=60)["job_id"] for _ in range(2))
    while client.status(drained)["status"] == "queued":
        client.status(drained, wait_s=1)
    stopped = machine.run("bin/stop", "--drain")
    assert stopped.returncode == 0, stopped.stderr
    assert "active" not in machine.run("systemctl", "is-active", *UNITS).stdout.split()
    machine.run("bin/start")
    assert (client.status(drained)["status"], client.status(drained)["attempt"]) == ("completed", 1)
    assert list(client.follow(next_one, patience_s=120))[-1]["attempt"] == 1

    machine.__exit__()
    with Booted(machine.root) as again:
        again.wait_for(ALL_ACTIVE, "systemctl", "is-active", *UNITS)
        assert again.run("systemctl", "is-active", "wan22-idle.timer").stdout == "active\n"
        assert again.run("bin/start").returncode == 0
        assert client.status(next_one)["status"] == "completed"
        assert again.run("bin/uninstall").returncode == 0
        assert not list(Path(machine.root / "etc/systemd/system").rglob("wan22*"))
        assert (machine.root / "data/jobs.db").exists()
