"""AWS takes the machine away in the middle of a render: nothing that was made is lost."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.running import Running
from local.stack import Stack
from metadata_service import MetadataService

PROMPT = "a red circle moves right"
GIVEN_BACK_S = 30  # of the two minutes that AWS leaves


def until(condition: Callable[[], bool], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def lines(running: Running, event: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in running.log.read_text().splitlines()]
    return [line for line in told if line["event"] == event]


def test_a_render_is_given_back_in_time_and_goes_on_from_there_when_the_machine_is_back(
    tmp_path: Path, slow_model: Path
) -> None:
    """Meanwhile nothing is claimed, and what is sent is taken in all the same."""
    with (
        MetadataService() as service,
        Stack(tmp_path, str(slow_model), env=service.env) as stack,
    ):
        stack.start()
        job_id = stack.client.submit(PROMPT)["job_id"]
        until(lambda: stack.client.status(job_id)["step"] > 10)
        service.says["spot/instance-action"] = '{"action": "stop", "time": "soon"}'
        noticed_at = time.monotonic()
        until(lambda: stack.client.status(job_id)["status"] == "queued", GIVEN_BACK_S)
        took_s = time.monotonic() - noticed_at
        job = stack.client.status(job_id)
        assert list((tmp_path / "work").glob(f"{job_id}.*ckpt*"))
        print(f"figure: given back {took_s:.1f} s after the notice, at step {job['step']}")
        until(lambda: stack.health()["stages"]["render"] == "draining")
        assert stack.health()["draining"] == "spot"
        late = stack.client.submit(PROMPT)["job_id"]
        stack.processes["deliver"].end()
        stack.processes["render"].end()
        render, deliver = stack.launch("render"), stack.launch("deliver")
        until(lambda: bool(lines(render, "drain.begun")[1:]))
        until(lambda: bool(lines(deliver, "machine.noticed")[1:]))
        assert [stack.client.status(each)["status"] for each in (job_id, late)] == ["queued"] * 2
        del service.says["spot/instance-action"]
        until(lambda: stack.client.status(job_id)["step"] > job["step"])
        assert stack.client.status(job_id)["attempt"] == 2
        assert [line["step"] for line in lines(render, "render.resumed")] == [job["step"]]
        assert len(lines(render, "job.claimed")) == 2, "once before, once after"
