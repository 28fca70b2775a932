"""bin/demo: one command, one video, and nothing left behind."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
DEMO = str(ROOT / "bin" / "demo")
PROMPT = "a red circle moves right"


def left_behind(folder: Path) -> list[str]:
    """List the processes that still work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and process.name != str(os.getpid()):
            found.append(process.name)
    return found


@pytest.mark.parametrize("mode", ["text", "image"])
def test_one_command_one_video(
    mode: str, png: Path, ffprobe: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    image = ["--image", str(png)] if mode == "image" else []
    data = tmp_path / "data"
    run = subprocess.run(
        [DEMO, PROMPT, *image],
        env=os.environ | {"DATA_DIR": str(data)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    said = dict(re.findall(r"^(\w+): +(\S+)$", run.stdout, re.MULTILINE))
    video = ffprobe(Path(said["video"]))
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert (video["r_frame_rate"], video["nb_read_frames"]) == ("24/1", "17")
    assert "X-Amz-Signature" in said["link"]
    assert re.search(r"denoising .*step \d+ of 20", run.stderr)
    assert left_behind(data) == []


@contextlib.contextmanager
def begun(folder: Path, until: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo, with DATA_DIR in `folder`, and read on until it says something."""
    demo = subprocess.Popen(
        [DEMO, PROMPT],
        env=os.environ | {"DATA_DIR": str(folder / "data")} | env,
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert demo.stderr
        while until not in demo.stderr.readline():
            assert demo.poll() is None
        yield demo
    finally:
        for pid in (*left_behind(folder / "data"), str(demo.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        demo.wait()


@pytest.mark.parametrize(
    ("until", "numbers"),
    [
        ("Starting Seaweed", [signal.SIGINT]),
        ("Starting Seaweed", [signal.SIGHUP, signal.SIGTERM]),
        ("Starting wan22", [signal.SIGTERM]),
        ("Starting wan22", [signal.SIGINT, signal.SIGINT]),
        ("denoising", [signal.SIGINT, signal.SIGINT]),
    ],
)
def test_an_interrupted_demo_stops_all_it_started(
    until: str, numbers: list[signal.Signals], slow_model: Path, tmp_path: Path
) -> None:
    with begun(tmp_path, until, MODEL_DIR=str(slow_model)) as demo:
        for number in numbers:
            os.killpg(demo.pid, number)
            time.sleep(0.05)
        _, said = demo.communicate(timeout=60)
        assert demo.returncode == 130, said
        assert "Traceback" not in said
        assert left_behind(tmp_path / "data") == []
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize(("name", "command"), [("render", "runner\0render"), ("s3", "weed")])
def test_a_process_that_dies_ends_the_demo(
    name: str, command: str, slow_model: Path, tmp_path: Path
) -> None:
    with begun(tmp_path, "denoising", MODEL_DIR=str(slow_model)) as demo:
        (pid,) = [
            pid
            for pid in left_behind(tmp_path / "data")
            if command in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        os.kill(int(pid), signal.SIGKILL)
        _, said = demo.communicate(timeout=60)
        assert demo.returncode == 1
        assert f"{name} ended with code -9:" in said
        assert left_behind(tmp_path / "data") == []


def test_a_wrong_command_line_is_told_what_to_do(tmp_path: Path) -> None:
    for wrong in (
        [],
        [PROMPT, "--image", "nowhere.png"],
        [PROMPT, "--output", "nowhere/a.mp4"],
        [PROMPT, "--output", "."],
    ):
        run = subprocess.run(
            [DEMO, *wrong], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert run.returncode == 2
        assert "usage: bin/demo" in run.stderr


def test_a_refused_prompt_is_said_by_the_service(tmp_path: Path) -> None:
    run = subprocess.run(
        [DEMO, " "],
        env=os.environ | {"DATA_DIR": str(tmp_path / "data [red]"), "COLUMNS": "500"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 1
    assert "describe the video you want" in run.stderr
    assert f"What each process said is in {tmp_path / 'data [red]' / 'logs'}." in run.stderr


FOREIGN = {
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "AWS_PROFILE": "nobody",
    "AWS_SESSION_TOKEN": "expired",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


def test_what_the_caller_has_around_him_does_no_harm(tmp_path: Path) -> None:
    """A company's proxy, an AWS profile, and files in his folder that are named like ours."""
    for name in ("gateway", "runner", "jobstore", "local", "httpx2", "rich"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is not ours')\n")
    run = subprocess.run(
        [DEMO, PROMPT, "--output", "a.mp4"],
        env=os.environ | {"DATA_DIR": str(tmp_path / "data")} | FOREIGN,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "a.mp4").stat().st_size > 0
