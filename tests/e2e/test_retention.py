"""Real processes and a real S3: an expired video is gone at once, then its bytes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from ageing import DAY_MS, make, names
from jobstore.clock import now_ms
from jobstore.store import Store
from local.running import Running
from local.stack import Stack

Prune = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("retention")) as stack:
        stack.start()
        yield stack


@pytest.fixture
def store(stack: Stack) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{stack.folder / 'jobs.db'}", stack.folder / "work" / "wake")
    yield store
    store.close()


@pytest.fixture
def prune(stack: Stack) -> Prune:
    """Prune by hand, as `bin/wan22 prune` does."""

    def run(*args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-P", "-m", "runner.deliver.prune", *args],
            env={**os.environ, **stack.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_an_expired_video_is_gone_at_once_and_then_its_bytes(
    stack: Stack, store: Store, prune: Prune
) -> None:
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    assert list(stack.client.follow(job_id, patience_s=90))[-1]["status"] == "completed"
    url = stack.client.status(job_id)["video_url"]
    assert httpx2.get(url).status_code == 200
    assert len(stack.s3.objects_of(job_id)) == 3
    with store.database.writing() as connection:
        connection.execute(f"UPDATE jobs SET ended_at = {now_ms() - 30 * DAY_MS}")
    with httpx2.Client(base_url=stack.url, headers={"X-API-Key": stack.key}) as http:
        for path in (f"/jobs/{job_id}/video", f"/v1/videos/{job_id}/content"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (410, "video_expired")
    dry = prune("--dry-run")
    assert dry.stdout.splitlines()[0].startswith(f"video {job_id}: ")
    assert len(stack.s3.objects_of(job_id)) == 3
    assert store.retention.expirable(now_ms())
    for place in ("prune.expired", "prune.owed"):
        assert prune(FAILPOINT=f"kill:{place}").returncode == -signal.SIGKILL
        assert store.retention.expirable(now_ms()), "it is not expired without its removal"
    done = prune()
    assert done.stdout.splitlines()[0] == dry.stdout.splitlines()[0]
    deliver = stack.processes["deliver"]
    deliver.wait_until(lambda: not stack.s3.objects_of(job_id))
    deliver.wait_until(lambda: not list((stack.folder / "outputs").iterdir()))
    assert httpx2.get(url).status_code == 404
    told = stack.client.status(job_id)
    assert (told["status"], told["video_url"]) == ("completed", None)
    assert told["video_expired_at"]


def test_a_kill_between_two_files_loses_nothing_that_is_needed(stack: Stack, prune: Prune) -> None:
    images = stack.folder / "inputs" / "images"
    for number in range(3):
        make(images / f"OLD{number}.png", now_ms(), 2 * DAY_MS)
    young = make(images / "YOUNG.png", now_ms(), 0)
    assert prune(FAILPOINT="kill:prune.removed").returncode == -signal.SIGKILL
    assert len(names(images)) == 3, "one is gone"
    lines = prune().stdout.splitlines()
    assert [line for line in lines if "picture" in line] == [
        f"picture inputs/images/OLD{number}.png: 1 bytes" for number in (1, 2)
    ]
    assert lines[-1].startswith("2 removed, 2 bytes;")
    assert names(images) == [young.name]


def test_the_delivery_prunes_by_itself(stack: Stack) -> None:
    deliver = stack.processes["deliver"]
    deliver.end()
    file = make(stack.folder / "inputs" / "images" / "STRAY.png", now_ms(), 2 * DAY_MS)
    running: Running = stack.up("deliver")
    running.wait_until(lambda: not file.exists())
    running.wait_until(lambda: "thing.pruned" in running.log.read_text())
    lines = map(json.loads, running.log.read_text().splitlines())
    assert [Path(line["name"]).name for line in lines if line["event"] == "thing.pruned"] == [
        "STRAY.png"
    ]
