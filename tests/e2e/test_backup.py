"""A copy of the store is made while all run, and going back to it loses only what came after."""

import os
import subprocess
import sys
from pathlib import Path

from local.stack import Stack

PROMPT = "a red circle moves right"


def wan22(stack: Stack, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "jobstore", *words],
        env=os.environ | stack.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_store_is_saved_and_restored(tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    with Stack(tmp_path / "service") as stack:
        stack.start()
        before = stack.client.submit(PROMPT)["job_id"]
        list(stack.client.follow(before))
        stack.processes["render"].end()
        waiting = stack.client.submit(PROMPT)["job_id"]
        assert wan22(stack, "backup", copy).returncode == 0
        stack.up("render")
        list(stack.client.follow(waiting))
        after = stack.client.submit(PROMPT)["job_id"]
        list(stack.client.follow(after))

        refused = wan22(stack, "restore", copy)
        assert refused.returncode == 1
        assert "Stop the gateway" in refused.stderr

        for running in stack.processes.values():
            running.end()
        restored = wan22(stack, "restore", copy)
        assert restored.returncode == 0, restored.stderr
        assert after in restored.stdout
        assert before not in restored.stdout

        for name in ("gateway", "render", "deliver"):
            stack.up(name)
        assert stack.client.status(before)["status"] == "completed"
        assert list(stack.client.follow(waiting))[-1]["status"] == "completed"
        assert "render.adopted" in stack.processes["render"].log.read_text()


def test_what_is_no_backup_is_refused_and_nothing_changed(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "service")
    folder = tmp_path / "service"
    folder.mkdir(exist_ok=True)
    (tmp_path / "notes.txt").write_text("no database")
    (folder / "jobs.db").write_bytes(b"")
    for wrong in (tmp_path / "notes.txt", tmp_path / "missing.db"):
        refused = wan22(stack, "restore", str(wrong))
        assert refused.returncode == 1
        assert "no job store" in refused.stderr
    assert (folder / "jobs.db").read_bytes() == b""
    stack.client.__exit__()


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "service")
    (tmp_path / "mine").write_text("keep me")
    refused = wan22(stack, "backup", str(tmp_path / "mine"))
    assert refused.returncode == 1
    assert "name a new file" in refused.stderr
    assert (tmp_path / "mine").read_text() == "keep me"
    stack.client.__exit__()
