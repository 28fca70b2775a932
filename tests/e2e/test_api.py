"""The whole API over the whole service, by its Python client: real renders, a real storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.client import Refused
from local.stack import Stack

PROMPT = "a red circle moves right"


def finish(stack: Stack, **wanted: Any) -> dict[str, Any]:
    job_id = stack.client.submit(PROMPT, **wanted)["job_id"]
    return stack.client.status(job_id, wait_s=60)


def video_file(stack: Stack, job_id: str) -> Path:
    (file,) = (stack.folder / "outputs").glob(f"{job_id}.*.mp4")
    return file


def test_what_was_asked_for_is_what_comes(
    stack: Stack, ffprobe: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    wanted = {"size": "128x128", "num_frames": 9, "steps": 5, "guidance_scale": 2.0, "priority": 2}
    metadata = {"shot": "7", "Stück": "Käthchen"}
    done = finish(stack, metadata=metadata, negative_prompt="blue", **wanted)
    assert done["status"] == "completed"
    assert done["metadata"] == metadata
    told = {name: done[name] for name in ("num_frames", "steps", "guidance_scale", "priority")}
    assert told.items() <= wanted.items()
    assert (done["negative_prompt"], done["step"]) == ("blue", 5)
    stack.client.video(done["job_id"], tmp_path / "out.mp4")
    assert ffprobe(tmp_path / "out.mp4")["nb_read_frames"] == "9"


@pytest.mark.parametrize("seconds", [0.17, 0.67])
def test_a_video_lasts_as_long_as_was_asked(stack: Stack, seconds: float) -> None:
    done = finish(stack, seconds=seconds, steps=3)
    assert (done["status"], done["num_frames"]) == ("completed", round(seconds * 24) + 1)


def test_capabilities_tell_limits_that_hold(stack: Stack) -> None:
    can = stack.client.capabilities()
    for field in ("num_frames", "steps", "guidance_scale", "priority", "seed"):
        bounds = can["limits"][field]
        for value in (bounds["least"] - 1, bounds["most"] + 1):
            with pytest.raises(Refused, match=field):
                stack.client.submit(PROMPT, **{field: value})
    with pytest.raises(Refused, match="this model takes 128x128"):
        stack.client.submit(PROMPT, size="1280x704")


def test_the_same_bytes_come_from_the_storage_once_the_disk_has_none(
    stack: Stack, tmp_path: Path
) -> None:
    job_id = finish(stack)["job_id"]
    video = video_file(stack, job_id)
    content = video.read_bytes()
    video.unlink()
    stack.client.video(job_id, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == content
    headers = {"X-API-Key": stack.key, "Range": "bytes=100-199"}
    part = httpx2.get(f"{stack.url}/jobs/{job_id}/video", headers=headers)
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"


def test_events_of_a_real_render(stack: Stack) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    told = list(stack.client.events(job_id))
    states = [body["status"] for name, body in told if name == "state"]
    assert states == ["queued", "processing", "processing"], "the last one is being uploaded"
    assert (told[-1][0], told[-1][1]["status"]) == ("ended", "completed")
    progress = [body["progress"] for name, body in told if name == "progress"]
    assert progress == sorted(progress)
    assert len(set(progress)) > 3


def test_a_retry_is_rendered_as_well_and_a_deleted_job_leaves_the_storage(stack: Stack) -> None:
    first = finish(stack, seed=3, steps=3)
    again = stack.client.retry(first["job_id"])["job_id"]
    last = stack.client.status(again, wait_s=60)
    assert (last["status"], last["retry_of"], last["seed"]) == ("completed", first["job_id"], 3)
    assert httpx2.get(last["video_url"]).status_code == 200
    assert stack.client.delete(again)["deleted"]
    with pytest.raises(Refused, match="deleted"):
        stack.client.status(again)
    stack.processes["deliver"].wait_until(lambda: not stack.s3.objects_of(again))
    assert again not in {job["job_id"] for job in stack.client.jobs(limit=1)}


def test_a_job_that_waits_is_cancelled(stack: Stack) -> None:
    stack.processes["render"].end()
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.client.cancel(job_id)["status"] == "cancelled"
    stack.up("render")
    assert stack.client.status(job_id)["status"] == "cancelled"
    assert next(stack.client.jobs(status="cancelled"))["job_id"] == job_id


def test_the_same_key_is_the_same_render(stack: Stack) -> None:
    jobs = {stack.client.submit(PROMPT, idempotency_key="a-shot")["job_id"] for _ in range(3)}
    assert len(jobs) == 1


def test_a_gateway_that_stops_sends_home_those_who_wait(stack: Stack) -> None:
    """Not after its patience with open answers, but at once: the stream ends in good order."""
    stack.processes["render"].end()
    job_id = stack.client.submit(PROMPT)["job_id"]
    events = stack.client.events(job_id)
    assert next(events)[0] == "state"
    stack.processes["gateway"].tell()
    assert {name for name, _ in events} <= {"progress"}
    assert stack.processes["gateway"].let_end() == 0
    log = (stack.folder / "logs" / "gateway.log").read_text()
    assert "Cancel" not in log
    stack.up("gateway")
    stack.up("render")
    assert stack.client.status(job_id, wait_s=60)["status"] == "completed"
