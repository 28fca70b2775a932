"""bin/wan22 doctor as a person runs it, beside a real service."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.doctor.table import CHECKS
from local.running import free_ports
from local.stack import Stack

ROOT = Path(__file__).parent.parent.parent
DOCTOR = [str(ROOT / "bin" / "wan22"), "doctor"]


def run(stack: Stack, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DOCTOR, *words],
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true", **stack.env, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def told(stack: Stack, *words: str, **env: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(stack, *words, "--json", **env).stdout)
    return {check["name"]: check for check in answer["checks"]}


def test_a_healthy_service_passes_and_a_clip_is_rendered(stack: Stack) -> None:
    before = {job["job_id"] for job in stack.client.jobs()}
    asked = run(stack, "--deep", "--json")
    assert asked.returncode == 0, asked.stdout
    answer = json.loads(asked.stdout)
    assert answer["healthy"]
    states = {check["name"]: check["state"] for check in answer["checks"]}
    assert list(states) == [check.name for check in CHECKS]
    assert "fail" not in states.values()
    for name in ("settings", "key", "store", "bucket", "clock", "port", "service", "clip"):
        assert states[name] == "ok", answer
    assert {job["job_id"] for job in stack.client.jobs()} == before
    assert stack.key not in asked.stdout


def test_people_get_lines_and_a_check_by_its_name(stack: Stack) -> None:
    asked = run(stack, "store", "key", "env")
    lines = asked.stdout.splitlines()
    assert [line.split()[1] for line in lines if line[0] != " "][:3] == ["env", "key", "store"]
    assert [line for line in lines if "-> bin/setup" in line]
    assert lines[-1] == "2 ok, 1 warn, 0 fail"
    assert asked.returncode == 0
    assert run(stack, "nonsense").returncode == 2
    broken = run(stack, "bucket", AWS_SECRET_ACCESS_KEY="wrong")
    assert broken.returncode == 1
    assert "-> mend AWS_SECRET_ACCESS_KEY" in broken.stdout


def test_a_stage_that_is_down_is_told_and_a_clip_that_fails(stack: Stack) -> None:
    stack.processes["render"].end()
    with ThreadPoolExecutor() as pool:
        clip = pool.submit(told, stack, "clip", "service")
        while not (queued := list(stack.client.jobs(status="queued"))) and not clip.done():
            assert stack.health()
        stack.client.cancel(queued[0]["job_id"])
        found = clip.result()
    assert found["clip"]["state"] == "fail"
    assert "cancelled" in found["clip"]["found"]
    assert found["service"]["state"] == "warn"
    assert "render down" in found["service"]["found"]
    stack.up("render")


def test_a_service_that_does_not_run_is_told(stack: Stack) -> None:
    (port,) = free_ports(1)
    found = told(stack, "clip", "service", "port", PORT=str(port))
    states = {name: check["state"] for name, check in found.items()}
    assert states == {"port": "ok", "service": "warn", "clip": "fail"}
    assert "bin/start" in found["service"]["mend"]
