"""A real small disk fills: one thing after the other stops, says so, and goes on by itself."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local.running import Running
from local.stack import Stack

MOUNT = ["unshare", "--map-root-user", "--mount"]
MOUNTED = 'mount -t tmpfs -o size=100m small "$DATA_DIR" && echo mounted && exec sleep infinity'
LOW, FULL = 10 << 20, 5 << 20  # a tenth and a twentieth
SOON = {"POLL_S": "0.5", "HEARTBEAT_S": "0.5"}


class Small:
    """A stack whose DATA_DIR is a disk of 100 MB that only its processes see."""

    def __init__(self, folder: Path) -> None:
        inside = folder / "small"
        inside.mkdir()
        self.stack = Stack(folder, env={"DATA_DIR": str(inside), **SOON})
        self.holder = Running([*MOUNT, "sh", "-c", MOUNTED], folder / "mount.log", self.stack.env)
        self.holder.wait_until(lambda: "mounted" in self.holder.log.read_text())
        self.inside = Path(f"/proc/{self.holder.pid}/root{inside}")
        self.http = httpx2.Client(
            base_url=self.stack.url, headers={"X-API-Key": self.stack.key}, timeout=20
        )

    def start(self) -> None:
        self.stack.s3.start()
        enter = ["nsenter", "-t", str(self.holder.pid), "-U", "-m", "--preserve-credentials"]
        for name, command in (
            ("gateway", ["gateway"]),
            ("render", ["runner", "render"]),
            ("deliver", ["runner", "deliver"]),
        ):
            self.stack.processes[name] = Running(
                [*enter, sys.executable, "-P", "-m", *command],
                self.stack.folder / "logs" / f"{name}.log",
                self.stack.env,
            )
        for name in ("gateway", "render", "deliver"):
            self.stack.wait(name)

    def stop(self) -> None:
        self.http.close()
        self.stack.stop()
        self.holder.end()

    def send(self, steps: int) -> str:
        """Send a job that is rendered in so many steps."""
        wanted = {"prompt": "a red circle moves right", "steps": steps}
        return str(self.http.post("/generate", json=wanted).json()["job_id"])

    def leave_free(self, free_bytes: int) -> None:
        """Fill the disk until only so much is free, give or take a page."""
        taken = 0 if not self.ballast.exists() else self.ballast.stat().st_size
        size = taken + shutil.disk_usage(self.inside).free - free_bytes
        with self.ballast.open("ab") as file:
            file.truncate(min(size, taken))
            file.write(bytes(max(0, size - taken)))

    @property
    def ballast(self) -> Path:
        return self.inside / "ballast"

    def wait_for(self, job_id: str, status: str) -> None:
        running = self.stack.processes["render"]
        running.wait_until(lambda: self.stack.client.status(job_id)["status"] == status)

    def events(self, name: str, *wanted: str) -> list[dict[str, Any]]:
        log = self.stack.folder / "logs" / f"{name}.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["event"] in wanted]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    small = Small(tmp_path)
    try:
        small.start()
        yield small
    finally:
        small.stop()


@pytest.mark.long
def test_a_disk_that_fills_stops_renders_then_intake_and_nothing_else(small: Small) -> None:
    client, gateway = small.stack.client, small.stack.processes["gateway"]
    first = small.send(steps=2)
    small.wait_for(first, "completed")
    running = small.send(steps=30)
    small.wait_for(running, "processing")

    small.leave_free((LOW + FULL) // 2)
    waits = small.send(steps=2)
    small.wait_for(running, "completed")
    gateway.wait_until(lambda: client.health()["stages"]["render"] == "disk_low")
    health = client.health()
    assert (health["status"], health["disk"]) == ("degraded", "low")
    assert client.status(waits)["status"] == "queued"

    small.leave_free(FULL - (1 << 20))
    for path, body in (
        ("/generate", {"prompt": "a red circle"}),
        ("/v1/videos", {"prompt": "a red circle"}),
        (f"/v1/videos/{first}/remix", {"prompt": "a red circle"}),
        (f"/jobs/{first}/retry", None),
    ):
        answer = small.http.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full"), path
        assert int(answer.headers["Retry-After"]) > 0
    assert client.health()["disk"] == "full"
    assert len(small.http.get("/jobs").json()["data"]) == 3
    dropped = small.inside / "inputs" / "dropped.json"
    dropped.with_suffix(".part").write_text('{"prompt": "a red square", "steps": 2}')
    dropped.with_suffix(".part").rename(dropped)
    gateway.wait_until(lambda: bool(small.events("gateway", "intake.blocked")))
    assert dropped.exists()

    assert small.http.delete(f"/jobs/{first}").status_code == 200
    gateway.wait_until(lambda: not small.stack.s3.objects_of(first))
    assert client.status(waits)["status"] == "queued"

    small.ballast.unlink()
    small.wait_for(waits, "completed")
    gateway.wait_until(lambda: not dropped.exists())
    gateway.wait_until(lambda: client.health()["status"] == "ok")
    assert small.http.post("/generate", json={"prompt": "a red circle"}).status_code == 202
    told = small.events("render", "disk.filled", "disk.freed")
    assert [(line["event"], line.get("room")) for line in told] == [
        ("disk.filled", "low"),
        ("disk.filled", "full"),
        ("disk.freed", None),
    ]
