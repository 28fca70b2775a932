"""Each process may be away or die at any time; the job is completed all the same, once."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack

PROMPT = "a red circle moves right"
STAGES = ("gateway", "render", "deliver")
PATIENCE_S = 180  # on a machine that others use as well


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("service"), str(slow_model)) as stack:
        stack.start()
        yield stack


@pytest.fixture
def stack(service: Stack) -> Stack:
    """The service, whole again whatever the test before did to it."""
    for name in STAGES:
        if not service.processes[name].alive:
            service.up(name)
    return service


def end(stack: Stack, job_id: str) -> dict[str, Any]:
    return list(stack.client.follow(job_id, patience_s=PATIENCE_S))[-1]


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["render", "deliver"])
def test_a_stage_that_was_away_takes_up_what_waited(stack: Stack, name: str) -> None:
    assert stack.processes[name].end() == 0
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.health()["status"] == "degraded"
    assert stack.health()["stages"][name] == "down"
    if name == "deliver":
        until(lambda: stack.client.status(job_id)["phase"] == "uploading")
        assert stack.client.status(job_id)["status"] == "processing"
    stack.up(name)
    assert end(stack, job_id)["status"] == "completed"
    assert len(stack.s3.videos_of(job_id)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_gateway_that_ends_after_it_accepted_forgets_nothing(
    stack: Stack, number: signal.Signals
) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    stack.processes["gateway"].end(number)
    stack.up("gateway")
    assert end(stack, job_id)["status"] == "completed"


def test_a_renderer_that_is_killed_mid_render(stack: Stack) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    until(lambda: stack.client.status(job_id)["step"] > 30)
    stack.processes["render"].end(signal.SIGKILL)
    assert stack.client.status(job_id)["status"] == "processing"
    stack.up("render")
    assert end(stack, job_id)["status"] == "completed"
    assert stack.client.status(job_id)["attempt"] == 2
    assert len(stack.s3.videos_of(job_id)) == 1


def test_a_renderer_that_is_stopped_mid_render_gives_its_job_back(stack: Stack) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    until(lambda: stack.client.status(job_id)["step"] > 30)
    assert stack.processes["render"].end(signal.SIGTERM) == 0
    assert stack.client.status(job_id)["status"] == "queued"
    assert stack.client.status(job_id)["position"] == 1
    stack.up("render")
    assert end(stack, job_id)["status"] == "completed"


def test_everything_killed_at_once(stack: Stack) -> None:
    jobs = [stack.client.submit(PROMPT)["job_id"] for _ in range(2)]
    until(lambda: stack.client.status(jobs[0])["step"] > 1)
    for name in STAGES:
        stack.processes[name].end(signal.SIGKILL)
    for name in STAGES:
        stack.up(name)
    for job_id in jobs:
        assert end(stack, job_id)["status"] == "completed"
        assert len(stack.s3.videos_of(job_id)) == 1


def test_every_line_of_every_log_is_json_and_holds_no_secret(stack: Stack) -> None:
    """Runs last in this file: all that the processes said through all of the above."""
    for name in STAGES:
        text = (stack.folder / "logs" / f"{name}.log").read_text()
        assert text
        for line in text.splitlines():
            assert {"event", "stage", "level", "timestamp"} <= set(json.loads(line)), line
        for secret in (stack.key, stack.env["AWS_SECRET_ACCESS_KEY"], "X-Amz-Signature", PROMPT):
            assert secret not in text
