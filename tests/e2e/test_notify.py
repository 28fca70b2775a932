"""systemd hears when a process is ready, that its work comes on, and that it stops."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import settling
from hearing import Hearing
from local.stack import Stack

PROCESSES = ("gateway", "render", "deliver")
WATCHDOG_S = 3.0
QUICK = {"LEASE_S": "3", "HEARTBEAT_S": "1", "POLL_S": "1", "STALL_S": "3"}
Heard = Callable[[str], Hearing]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    hearings: list[Hearing] = []

    def make(name: str) -> Hearing:
        hearings.append(Hearing(tmp_path / f"{name}.socket", WATCHDOG_S))
        return hearings[-1]

    yield make
    for hearing in hearings:
        hearing.__exit__()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "data", env=QUICK) as stack:
        stack.s3.start()
        yield stack


def test_each_process_says_that_it_is_ready_alive_and_stopping(stack: Stack, heard: Heard) -> None:
    hearings = {name: heard(name) for name in PROCESSES}
    for name, hearing in hearings.items():
        stack.launch(name, **hearing.env)
    for name, hearing in hearings.items():
        hearing.wait_for("READY=1")
        status = "serving" if name == "gateway" else "ready"
        assert hearing.wait_for("STATUS=", WATCHDOG_S) == f"STATUS={status}"
        hearing.wait_for("WATCHDOG=1", WATCHDOG_S)
        assert stack.processes[name].end() == 0
        hearing.wait_for("STOPPING=1", WATCHDOG_S)
        assert "WATCHDOG" not in hearing.words[: hearing.words.index("READY")]


def test_a_stage_that_hangs_in_its_work_starves_the_watchdog(stack: Stack, heard: Heard) -> None:
    """Killed then, as systemd does, and started anew: the job goes on."""
    stack.up("gateway")
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    for name, place in (("render", "claim.committed"), ("deliver", "deliver.claimed")):
        hearing = heard(name)
        hung = stack.launch(name, FAILPOINT=f"hang:{place}", **hearing.env)
        hearing.wait_for("WATCHDOG=1")
        assert hearing.starves()
        assert hung.alive
        hung.end(signal.SIGKILL)
        stack.up(name)
    assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"


def test_a_gateway_whose_intake_hangs_starves_the_watchdog(stack: Stack, heard: Heard) -> None:
    hearing = heard("gateway")
    hung = stack.launch("gateway", FAILPOINT="hang:intake.taken", **hearing.env)
    hearing.wait_for("WATCHDOG=1")
    dropped = stack.folder / "inputs" / ".job.json"
    dropped.write_text('{"prompt": "a red circle moves right"}')
    dropped.rename(dropped.with_name("job.json"))
    assert hearing.starves()
    assert stack.health()
    hung.end(signal.SIGKILL)


def test_a_stage_that_comes_further_while_it_loads_is_given_more_time(
    stack: Stack, heard: Heard
) -> None:
    hearing = heard("settling")
    command = [sys.executable, settling.__file__]
    subprocess.run(command, env=os.environ | stack.env | hearing.env, check=True, timeout=60)
    hearing.wait_for("STOPPING=1", WATCHDOG_S)
    assert hearing.words.count("EXTEND_TIMEOUT_USEC") > 1
