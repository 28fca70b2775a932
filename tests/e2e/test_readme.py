"""The README's examples work as they are written: those of the shell, of Node and of Python."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobstore.clock import now_ms
from local.running import PATIENCE_S, Running, free_ports
from local.stack import KEY_BEGINS, Stack
from receiver import SECRET
from runner.deliver.event import headers_of

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMPT = "a red circle moves right"
EXAMPLES = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
TRIED = {
    "sh": {
        *("bin/start", '-d \'{"prompt"', "image=@start.png", "Prefer: wait", "video.mp4"),
        *("logs() { journalctl", "logs() { cat"),  # these two in test_watching
        *("mkdir aws-wan22", "aws s3api"),  # and these in test_aws_files, without AWS
        *("/events", "/cancel", '"$WAN22/status/$JOB" -H "X-API-Key: $API_SECRET_KEY"\n'),
    },
    "js": {"// video.mjs", "// openai.mjs", "// receiver.mjs"},
    "python": {"from openai import", "from standardwebhooks import"},
}
"""What tells each example from the others."""

Run = Callable[..., str]


def example(language: str, begins: str) -> str:
    """Find the one example that has these words in it."""
    (found,) = [text for kind, text in EXAMPLES if kind == language and begins in text]
    return str(found)


def test_each_example_is_tried_here() -> None:
    for language, words in TRIED.items():
        examples = {text for kind, text in EXAMPLES if kind == language}
        assert {example(language, begins) for begins in words} == examples
    assert {language for language, _ in EXAMPLES} == set(TRIED)


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Run:
    """Run what a person would, in an empty folder."""

    def run(*command: str, **env: str) -> str:
        where = {"WAN22": stack.url, "API_SECRET_KEY": stack.key}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | where | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def curl(run: Run) -> Callable[..., Any]:
    """Run the example with curl that has these words in it."""
    return lambda begins, **env: run("sh", "-euc", example("sh", begins), **env)


def is_video(file: Path) -> bool:
    return file.read_bytes()[4:8] == b"ftyp"


def test_with_curl(curl: Callable[..., str], tmp_path: Path, png: Path) -> None:
    sent = json.loads(curl('-d \'{"prompt"'))
    assert set(sent) == {"job_id", "status", "position"}
    told = json.loads(curl("Prefer: wait", JOB=sent["job_id"]))
    assert list(told)[:4] == ["job_id", "status", "video_url", "error"]
    assert told["status"] == "completed"
    assert told["video_url"].startswith("http")
    again = '"$WAN22/status/$JOB" -H "X-API-Key: $API_SECRET_KEY"\n'
    assert json.loads(curl(again, JOB=sent["job_id"]))["status"] == "completed"
    curl("video.mp4", JOB=sent["job_id"])
    assert is_video(tmp_path / "video.mp4")
    (tmp_path / "start.png").write_bytes(png.read_bytes())
    pictured = json.loads(curl("image=@start.png"))["job_id"]
    assert "event: ended" in curl("/events", JOB=pictured)
    late = json.loads(curl("/cancel", JOB=pictured))
    assert late["code"] == "cancel_too_late"


def test_on_a_machine_of_ones_own(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    env = os.environ | {"DATA_DIR": str(tmp_path / "data"), "PORT": f"{port}"}
    script = example("sh", "bin/start").replace("$(openssl", f"{KEY_BEGINS}$(openssl")
    try:
        started = subprocess.run(
            ["sh", "-euc", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert f"Ready: http://127.0.0.1:{port}" in started.stderr
    finally:
        subprocess.run([ROOT / "bin" / "stop"], env=env, check=True, capture_output=True)


@pytest.fixture
def written(node_modules: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Write an example for Node into a file, beside the packages that it needs."""
    (tmp_path / "node_modules").symlink_to(node_modules)

    def write(name: str) -> Path:
        file = tmp_path / name
        file.write_text(example("js", f"// {name}"), encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize("name", ["video.mjs", "openai.mjs"])
def test_with_node(name: str, written: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    said = run("node", str(written(name)), PROMPT)
    assert said.splitlines()[-1] == "completed 100 %"
    assert is_video(tmp_path / "video.mp4")


@pytest.fixture
def receiver(written: Callable[[str], Path], tmp_path: Path) -> Iterator[tuple[int, Running]]:
    (port,) = free_ports(1)
    env = {"WEBHOOK_SECRET": SECRET, "PORT": f"{port}"}
    running = Running(["node", str(written("receiver.mjs"))], tmp_path / "receiver.log", env)
    yield port, running
    running.end()


def test_a_webhook_comes_to_the_receiver(receiver: tuple[int, Running], tmp_path: Path) -> None:
    port, running = receiver
    env = {
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_URL": f"http://127.0.0.1:{port}",
        "WEBHOOK_ALLOW": f"127.0.0.1/32:{port}",
    }
    with Stack(tmp_path / "data", env=env) as stack:
        stack.start()
        job_id = stack.client.submit(PROMPT)["job_id"]
        running.wait_until(lambda: f"video.completed {job_id}" in running.tail(), PATIENCE_S)


def python(run: Run, begins: str, **known: object) -> str:
    """Run an example for Python, in which these names stand for what they do for its reader."""
    given = "".join(f"{name} = {value!r}\n" for name, value in known.items())
    return run(sys.executable, "-c", given + example("python", begins))


def test_with_python(run: Run, stack: Stack, tmp_path: Path) -> None:
    python(run, "from openai import", WAN22=stack.url, API_SECRET_KEY=stack.key)
    assert is_video(tmp_path / "video.mp4")
    body = b'{"id":"evt_1"}'
    headers = headers_of(SECRET, "evt_1", body, now_ms())
    python(run, "from standardwebhooks import", SECRET=SECRET, body=body, headers=headers)


def test_the_recipe_with_jq(stack: Stack) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    list(stack.client.follow(job_id, patience_s=60))
    recipe = re.findall(r"^    (jq .*)$", README, re.MULTILINE)[0]
    recipe = re.sub(r"01[0-9A-Z]{24}", job_id, recipe)
    lines = subprocess.run(
        ["sh", "-c", recipe],
        env=os.environ | {"DATA_DIR": str(stack.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line)["event"] for line in lines.stdout.splitlines()]
    assert {"job.accepted", "job.claimed", "job.rendered", "job.completed"} <= set(events)
