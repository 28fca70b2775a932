"""The README's examples work as they are written."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from local.stack import Stack

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")


def example(command: str) -> str:
    """Find the one example that has `command` in it."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    (block,) = [block for block in blocks if command in block]
    return str(block)


def run(script: str, **env: str) -> Any:
    answer = subprocess.run(
        ["sh", "-c", script], env=os.environ | env, capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


def test_both_examples_with_curl(stack: Stack) -> None:
    env = {"WAN22": stack.url, "API_SECRET_KEY": stack.key}
    sent = run(example("/generate"), **env)
    assert set(sent) == {"job_id", "status", "position"}
    list(stack.client.follow(sent["job_id"], patience_s=60))
    told = run(example("/status/"), **env, JOB=sent["job_id"])
    assert list(told)[:4] == ["job_id", "status", "video_url", "error"]
    assert told["status"] == "completed"
    assert told["video_url"].startswith("http")


def test_the_recipe_with_jq(stack: Stack, tmp_path: Path) -> None:
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    list(stack.client.follow(job_id, patience_s=60))
    recipe = re.findall(r"^    (jq .*)$", README, re.MULTILINE)[0]
    recipe = re.sub(r"01[0-9A-Z]{24}", job_id, recipe)
    (tmp_path / "logs").mkdir()
    for name in ("gateway", "render", "deliver"):
        (tmp_path / "logs" / f"{name}.log").symlink_to(stack.folder / "logs" / f"{name}.log")
    lines = subprocess.run(
        ["sh", "-c", recipe], cwd=tmp_path / "logs", capture_output=True, text=True, check=True
    )
    events = [json.loads(line)["event"] for line in lines.stdout.splitlines()]
    assert {"job.accepted", "job.claimed", "job.rendered", "job.completed"} <= set(events)
