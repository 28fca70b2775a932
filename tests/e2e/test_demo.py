"""bin/demo: one command, one video, and nothing left behind."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_all_it_started(number: signal.Signals, tmp_path: Path) -> None:
    data = tmp_path / "data"
    demo = subprocess.Popen(
        [DEMO, PROMPT],
        env=os.environ | {"DATA_DIR": str(data)},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert demo.stderr
    while "Starting wan22" not in demo.stderr.readline():
        assert demo.poll() is None
    time.sleep(1)
    os.killpg(demo.pid, number)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert left_behind(data) == []
    assert not list(tmp_path.glob("*.mp4"))


def test_a_wrong_command_line_is_told_what_to_do(tmp_path: Path) -> None:
    for wrong in ([], [PROMPT, "--image", "nowhere.png"]):
        run = subprocess.run(
            [DEMO, *wrong], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 2
        assert "usage: bin/demo" in run.stderr


def test_a_refused_prompt_is_said_by_the_service(tmp_path: Path) -> None:
    run = subprocess.run(
        [DEMO, " "], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180
    )
    assert run.returncode == 1
    assert "describe the video you want" in run.stderr
