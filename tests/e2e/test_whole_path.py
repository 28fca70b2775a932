"""A prompt goes in by REST, a whole MP4 comes out behind a signed link."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.client import Unfinished
from local.stack import Stack

POCKET_MP4 = {
    "codec_name": "h264",
    "width": "128",
    "height": "128",
    "pix_fmt": "yuv420p",
    "r_frame_rate": "24/1",
    "nb_read_frames": "17",
}


def finish(stack: Stack, **wanted: Any) -> list[dict[str, Any]]:
    """Send a job and collect what its status was until it had ended."""
    job = stack.client.submit("a red circle moves right", **wanted)
    assert set(job) == {"job_id", "status", "position"}
    assert job["status"] == "queued"
    return list(stack.client.follow(job["job_id"], every_s=0.02, patience_s=60))


@pytest.mark.parametrize("mode", ["text", "image"])
def test_a_prompt_becomes_a_video(
    stack: Stack,
    png: Path,
    ffprobe: Callable[[Path], dict[str, Any]],
    tmp_path: Path,
    mode: str,
) -> None:
    told = finish(stack, image=png if mode == "image" else None, seed=7)
    last = told[-1]
    assert (last["status"], last["error"], last["progress"]) == ("completed", None, 100)
    assert (last["seed"], last["step"], last["steps"]) == (7, 20, 20)
    stack.client.fetch(last["video_url"], tmp_path / "out.mp4")
    assert ffprobe(tmp_path / "out.mp4") == POCKET_MP4


def test_progress_never_goes_back_and_ends_whole(stack: Stack) -> None:
    told = finish(stack)
    progress = [status["progress"] for status in told]
    assert progress == sorted(progress)
    assert len(set(progress)) > 3
    assert {status["status"] for status in told} <= {"queued", "processing", "completed"}
    assert all(status["video_url"] is None for status in told[:-1])


def test_the_same_seed_gives_the_same_video(stack: Stack) -> None:
    """Without what it tells of itself, the id of its job among it."""
    told = [finish(stack, seed=seed, embed_metadata=False)[-1] for seed in (5, 5, 6)]
    links = [status["video_url"] for status in told]
    first, again, other = (httpx2.get(link).content for link in links)
    assert first == again != other


SIGN = """
import sys
from jobstore import settings
from jobstore.objects import Objects
print(Objects.of(settings.read(settings.StorageSettings)).link(sys.argv[1], "a.mp4").url)
"""


@pytest.mark.parametrize(("age", "answer"), [("59", 200), ("61", 403)])
def test_a_link_is_good_for_an_hour(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, age: str, answer: int
) -> None:
    """Signed by a process whose clock is so many minutes back."""
    video_url = finish(stack)[-1]["video_url"]
    key = httpx2.URL(video_url).path.removeprefix(f"/{stack.s3.env['S3_BUCKET']}/")
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    signed = subprocess.run(
        ["faketime", "-f", f"-{age}m", sys.executable, "-c", SIGN, key],
        capture_output=True,
        text=True,
        check=True,
    )
    assert httpx2.get(signed.stdout.strip()).status_code == answer


def test_jobs_are_done_in_turn_and_told_their_place(stack: Stack) -> None:
    stack.processes["render"].end()
    jobs = [stack.client.submit("a red circle moves right") for _ in range(3)]
    assert [job["position"] for job in jobs] == [1, 2, 3]
    stack.up("render")
    told = [list(stack.client.follow(job["job_id"], patience_s=60)) for job in jobs]
    assert all(status[-1]["status"] == "completed" for status in told)
    ends = [status[-1]["ended_at"] for status in told]
    assert ends == sorted(ends)


def test_whoever_follows_may_lose_patience(stack: Stack) -> None:
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    with pytest.raises(Unfinished, match=f"{job_id} is .* after 0 s"):
        list(stack.client.follow(job_id, patience_s=0))
    assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"


def test_health_tells_of_every_stage(stack: Stack) -> None:
    health = httpx2.get(f"{stack.url}/health").json()
    assert health["status"] == "ok"
    assert health["model_loaded"] is True
    assert health["gpu"] is None
    assert health["stages"] == {"render": "ready", "deliver": "ready"}
