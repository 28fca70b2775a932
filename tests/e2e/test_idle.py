"""The process that looks for idleness, as a timer runs it, and the gateway that it goes by."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from idle_machine import STOP_S
from jobstore import idleness
from jobstore.clock import now_ms
from jobstore.idleness import Idleness
from jobstore.store import Store
from local.stack import Stack

# Processes of its own, and nobody on a terminal: whoever runs the tests may be logged in.
ALONE = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"]
NOBODY = 'mount -t tmpfs none /run && exec "$@"'


def until(condition: Callable[[], bool], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def look(folder: Path, *args: str, **env: str) -> tuple[int, list[str]]:
    """Look once; answers the exit code, and what was logged."""
    given = {
        "DATA_DIR": str(folder),
        "IDLE_STOP_S": f"{STOP_S}",
        "IDLE_ALLOW": "unknown",
        "IDLE_COMMAND": f"touch '{folder / 'it stopped'}'",
        **env,
    }
    process = [sys.executable, "-P", "-m", "runner.idle", *args]
    done = subprocess.run(
        [*ALONE, "sh", "-c", NOBODY, "sh", *process],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    logged = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [line["event"] for line in logged]


def idle_for(folder: Path, seconds: float, stops_in_s: float | None = None) -> None:
    """Have it been looked at all the while, a moment ago for the last time."""
    now = now_ms()
    stops_at = None if stops_in_s is None else now + int(stops_in_s * 1000)
    (folder / "work").mkdir(exist_ok=True)
    since = now - int(seconds * 1000)
    idleness.write(folder / "work", Idleness(since=since, seen_at=now - 1000, stops_at=stops_at))


def stopped(folder: Path) -> bool:
    return (folder / "it stopped").exists()


def test_the_stop_is_announced_by_one_process_and_done_by_another(tmp_path: Path) -> None:
    idle_for(tmp_path, STOP_S)
    assert look(tmp_path) == (1, ["machine.idle"])
    assert not stopped(tmp_path)
    idle_for(tmp_path, STOP_S, stops_in_s=-1)
    assert look(tmp_path) == (0, ["machine.stopped"])
    assert stopped(tmp_path)


def test_whoever_asks_and_has_the_right_powers_off_himself(tmp_path: Path) -> None:
    """A command of one's own is run, and there is nothing left to do."""
    idle_for(tmp_path, STOP_S, stops_in_s=-1)
    assert look(tmp_path, "--ask", IDLE_COMMAND="") == (0, ["machine.stopped"])
    idle_for(tmp_path, STOP_S, stops_in_s=-1)
    assert look(tmp_path, "--ask") == (1, ["machine.stopped"])
    assert stopped(tmp_path)


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    for command in ("false", "/no/such/program"):
        idle_for(tmp_path, STOP_S, stops_in_s=-1)
        expected = (1, ["machine.stopped", "stop.failed"])
        assert look(tmp_path, IDLE_COMMAND=command) == expected


def test_it_is_off_until_it_is_set(tmp_path: Path) -> None:
    """Not even the store is opened."""
    idle_for(tmp_path, STOP_S, stops_in_s=-1)
    assert look(tmp_path, IDLE_STOP_S="") == (1, [])
    assert not (tmp_path / "jobs.db").exists()


def test_what_is_broken_is_no_mere_not_now(tmp_path: Path) -> None:
    """The unit is then failed, and shows it."""
    assert look(tmp_path, IDLE_STOP_S="5")[0] == 255
    assert look(tmp_path, DATABASE_URL="sqlite:////dev/null/jobs.db")[0] == 255


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_stream_is_somebody_who_is_served_and_the_stop_shows_in_health(folder: Path) -> None:
    """From the gateway's next beat on, until it ends; asking how it is is nothing of that kind."""
    env = {"HEARTBEAT_S": "0.5", "LEASE_S": "3"}
    with Stack(folder, env=env) as stack:
        stack.up("gateway")
        store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "work" / "wake")

        def facts() -> dict[str, object]:
            rows = store.stages.all()
            return dict(rows[0].facts) if rows else {}

        until(lambda: facts().get("serving") == 0)
        assert facts()["asked_at"] is None
        job_id = stack.client.submit("a red circle moves right")["job_id"]
        key = {"X-API-Key": stack.key}
        with httpx2.stream("GET", f"{stack.url}/jobs/{job_id}/events", headers=key) as answer:
            assert answer.status_code == 200
            until(lambda: facts()["serving"] == 1)
        until(lambda: facts()["serving"] == 0)
        asked_at = facts()["asked_at"]
        assert isinstance(asked_at, int)
        assert (stack.health()["stops_at"], stack.health()["awake_until"]) == (None, None)
        idle_for(folder, STOP_S, stops_in_s=60)
        idleness.hold_awake(folder / "work", now_ms() + 60_000)
        health = stack.health()
        assert health["stops_at"].startswith("20")
        assert health["awake_until"].startswith("20")
        beat_at = store.stages.all()[0].beat_at
        until(lambda: store.stages.all()[0].beat_at > beat_at)
        assert facts()["asked_at"] == asked_at
        stack.processes["gateway"].end()
        assert store.stages.all() == []
        store.close()


def awake(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bin/wan22", "awake", *args],
        env={**os.environ, "DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_machine_is_held_awake_for_as_long_as_is_said(folder: Path) -> None:
    spans_s = {(): 7200, ("90m",): 5400, ("3d",): 259_200}
    for args, span_s in spans_s.items():
        done = awake(folder, *args)
        until = idleness.awake_until(folder / "work", now_ms())
        assert until
        assert abs(until - now_ms() - span_s * 1000) < 60_000
        assert done.stdout.startswith("This machine does not stop by itself until 20")
    assert "not held awake" in awake(folder, "off").stdout
    assert idleness.awake_until(folder / "work", now_ms()) is None


@pytest.mark.parametrize("duration", ["0h", "2", "h", "-1h", "2 h", "99999d"])
def test_what_is_no_duration_is_refused(folder: Path, duration: str) -> None:
    done = awake(folder, duration)
    assert done.returncode == 2
    assert "no duration" in done.stderr or "unrecognized" in done.stderr
    assert not (folder / "work" / "awake.json").exists()
