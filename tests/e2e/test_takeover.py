"""How soon a dead renderer's job is held again: at once on its machine, after a lease elsewhere."""

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from local.postgres import PostgresServer
from local.running import Running
from local.stack import Stack

PROMPT = "a red circle moves right"
LEASE_S = 6


def until(condition: Callable[[], bool], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def logged(running: Running, event: str) -> float:
    """Find when a process last logged an event, in seconds since 1970."""
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    (*_, last) = [line["timestamp"] for line in lines if line["event"] == event]
    return datetime.fromisoformat(last).timestamp()


def test_on_its_own_machine_the_job_is_held_again_at_once(tmp_path: Path, slow_model: Path) -> None:
    """The lease has most of a minute to go: it is the freed lock of the owner that tells."""
    with Stack(tmp_path, str(slow_model)) as stack:
        stack.start()
        job_id = stack.client.submit(PROMPT)["job_id"]
        until(lambda: stack.client.status(job_id)["step"] > 10)
        stack.processes["render"].end(signal.SIGKILL)
        render = stack.up("render")
        until(lambda: stack.client.status(job_id)["attempt"] == 2, patience_s=30)
        took_s = logged(render, "job.claimed") - logged(render, "stage.started")
        print(f"figure: held again {took_s:.2f} s after the renderer was ready")
        assert took_s < 2
        assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"


def test_another_machine_takes_over_after_the_lease(
    tmp_path: Path, slow_model: Path, postgres: PostgresServer
) -> None:
    """Two machines are two DATA_DIRs: neither sees the locks of the other."""
    env = {"LEASE_S": str(LEASE_S), "HEARTBEAT_S": "1", "POLL_S": "1"}
    env["DATABASE_URL"] = postgres.make()
    with Stack(tmp_path / "one", str(slow_model), env=env) as one:
        one.start()
        job_id = one.client.submit(PROMPT)["job_id"]
        until(lambda: one.client.status(job_id)["step"] > 5)
        two = Stack(tmp_path / "two", str(slow_model), env=env | one.s3.env)
        try:
            render, _deliver = two.launch("render"), two.launch("deliver")
            until(lambda: "stage.started" in render.tail(200))
            killed_at = time.time()
            for name in ("render", "deliver"):
                one.processes[name].end(signal.SIGKILL)
            until(lambda: one.client.status(job_id)["attempt"] == 2)
            took_s = logged(render, "job.claimed") - killed_at
            print(f"figure: held elsewhere {took_s:.1f} s after the kill, the lease {LEASE_S} s")
            assert took_s < LEASE_S + 5
            last = list(one.client.follow(job_id, patience_s=120))[-1]
            assert last["status"] == "completed"
            assert len(list((tmp_path / "two" / "outputs").glob(f"{job_id}*.mp4"))) == 1
        finally:
            two.stop()
