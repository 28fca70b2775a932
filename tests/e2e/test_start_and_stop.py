"""`bin/start` and `bin/stop` on a machine without systemd: what ends is started anew."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from gateway.client import Client
from local.running import free_ports
from local.stack import KEY_BEGINS

ROOT = Path(__file__).parent.parent.parent
PROMPT = "a red circle moves right"
PATIENCE_S = 60
COMMANDS = {
    "gateway": ["gateway"],
    "render": ["runner", "render"],
    "deliver": ["runner", "deliver"],
}


class Machine:
    """One DATA_DIR with its settings in .env."""

    def __init__(self, folder: Path, **settings: str) -> None:
        (self.port,) = free_ports(1)
        self.key = f"{KEY_BEGINS}0123456789abcdef"
        self.folder = folder
        folder.mkdir()
        given = {"API_SECRET_KEY": self.key, "MODEL_DIR": "pocket", "PORT": f"{self.port}"}
        lines = [f"{name}={value}\n" for name, value in (given | settings).items()]
        (folder / ".env").write_text("".join(lines))
        self.client = Client(f"http://127.0.0.1:{self.port}", self.key)

    def run(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "bin" / command, *words],
            env=os.environ | {"DATA_DIR": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def runs(self, name: str) -> bool:
        return self._found(name) is not None

    def process(self, name: str) -> psutil.Process:
        found = self._found(name)
        assert found
        return found

    def _found(self, name: str) -> psutil.Process | None:
        for process in psutil.process_iter(["cmdline", "environ"]):
            given = process.info
            mine = (given["environ"] or {}).get("DATA_DIR") == str(self.folder)
            if mine and (given["cmdline"] or [])[-len(COMMANDS[name]) :] == COMMANDS[name]:
                return process
        return None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "data", HEARTBEAT_S="1", LEASE_S="3", POLL_S="1")
    yield machine
    machine.run("stop")
    machine.client.__exit__()


def ended(machine: Machine, job_id: str) -> dict[str, object]:
    return list(machine.client.follow(job_id, patience_s=PATIENCE_S))[-1]


def test_a_service_that_is_started_killed_and_stopped(machine: Machine) -> None:
    started = machine.run("start")
    assert started.returncode == 0, started.stderr
    assert f"Ready: http://127.0.0.1:{machine.port}" in started.stderr
    job_id = machine.client.submit(PROMPT)["job_id"]
    killed = [machine.process(name) for name in COMMANDS]
    for process in killed:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(killed, timeout=PATIENCE_S)
    again = machine.run("start")
    assert again.returncode == 0, again.stderr
    assert ended(machine, job_id)["status"] == "completed"
    job_id = machine.client.submit(PROMPT)["job_id"]
    stopped = machine.run("stop")
    assert stopped.stderr.endswith("Stopped.\n")
    assert not any(machine.runs(name) for name in COMMANDS)
    assert machine.run("stop").stderr == "Nothing runs here.\n"
    machine.run("start")
    assert ended(machine, job_id)["status"] == "completed"


def test_what_nobody_watches_any_more_is_told_of_and_not_started_twice(machine: Machine) -> None:
    machine.run("start")
    watcher = machine.process("gateway").parent()
    orphans = [machine.process(name) for name in COMMANDS]
    watcher.kill()
    psutil.wait_procs([watcher], timeout=PATIENCE_S)
    for command in ("start", "stop"):
        assert "whose supervisord was killed" in machine.run(command).stderr
    for orphan in orphans:
        orphan.terminate()
    psutil.wait_procs(orphans, timeout=PATIENCE_S)
    assert machine.run("start").returncode == 0


def test_the_demo_keeps_out_of_a_service_that_runs(machine: Machine) -> None:
    machine.run("start")
    told = machine.run("demo", PROMPT)
    assert told.returncode == 1
    assert "unset DATA_DIR" in told.stdout + told.stderr
    assert not list(machine.client.jobs())


@contextlib.contextmanager
def another(port: int, answer: bytes) -> Iterator[None]:
    """Let some other program answer at a port, whatever it is asked."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", f"{len(answer)}")
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", port), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_settings_that_changed_meanwhile_hold_after_a_stop(machine: Machine) -> None:
    """And one that is wrong does not keep the service from being stopped."""
    machine.run("start")
    with (machine.folder / ".env").open("a") as settings:
        settings.write("HEARTBEAT_S=a lot\nPROT=9000\n")
    assert machine.run("start").returncode == 2
    assert machine.run("stop").stderr.endswith("Stopped.\n")
    text = (machine.folder / ".env").read_text().replace("a lot", "1")
    (machine.folder / ".env").write_text(text)
    started = machine.run("start")
    assert "write PORT for PROT" in started.stderr
    assert started.returncode == 0
    (machine.folder / ".env").write_text(f"{text}KEY_TRIES=7\n")
    told = machine.run("start")
    assert told.returncode == 1
    assert "KEY_TRIES" in told.stderr
    assert "bin/stop" in told.stderr


def test_wrong_settings_are_told_all_at_once(machine: Machine) -> None:
    (machine.folder / ".env").write_text("PORT=0\nLEASE_S=0\nKEEP_JOBS_S=no\n")
    told = machine.run("start")
    assert told.returncode == 2
    names = {line.partition(" ")[0] for line in told.stderr.splitlines()[:-1]}
    assert names == {"API_SECRET_KEY", "PORT", "LEASE_S", "KEEP_JOBS_S", "MODEL_DIR"}
    assert not machine.runs("gateway")


def test_a_process_that_does_not_start_is_shown_with_what_it_says(machine: Machine) -> None:
    machine.run("start")
    gateway = machine.process("gateway")
    assert gateway
    gateway.kill()
    gateway.wait(PATIENCE_S)
    with socket.create_server(("127.0.0.1", machine.port)):
        told = machine.run("start")
    assert told.returncode == 1
    assert "gateway does not start" in told.stderr
    assert "already in use" in told.stderr


@pytest.mark.parametrize(
    "answer", [b"<html></html>", b'{"stages": {"render": "ready", "deliver": "ready"}}']
)
def test_another_who_answers_at_the_port_is_not_taken_for_ours(
    machine: Machine, answer: bytes
) -> None:
    with another(machine.port, answer):
        told = machine.run("start")
    assert told.returncode == 1
    assert "already in use" in told.stderr
    assert "Nothing was started" in told.stderr
    assert not machine.runs("render")


def test_what_is_being_rendered_is_finished_first_when_it_drains(machine: Machine) -> None:
    machine.run("start")
    first, second = (machine.client.submit(PROMPT, steps=40)["job_id"] for _ in range(2))
    while machine.client.status(first)["status"] == "queued":
        machine.client.status(first, wait_s=1)
    drained = machine.run("stop", "--drain")
    assert drained.returncode == 0, drained.stderr
    assert "Draining, Ctrl-C calls it off: 1 being rendered" in drained.stderr
    assert drained.stderr.endswith("Stopped.\n")
    machine.run("start")
    assert machine.client.status(first)["status"] == "completed"
    assert machine.client.status(first)["attempt"] == 1
    assert ended(machine, second)["attempt"] == 1
