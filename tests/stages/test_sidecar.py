"""What is told of a video: beside it and inside it; and it stays with its video."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import jobstore
from jobstore.clock import now_ms
from jobstore.job import Arrival, Request
from jobstore.moves import State
from jobstore.verify import verify
from runner.render.output import sweep
from runner.render.sidecar import hashes
from runner.render.video import probe
from runner.render.work import Render
from runner.stage import Stage
from ticks import tick
from whole_video import lay

Ask = Callable[..., Request]


def accept(stage: Stage, request: Request) -> None:
    stage.store.jobs.accept(Arrival("J1", request, "test", "main"), now_ms())


def told(file: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(file.read_bytes())
    return answer


def comment(video: Path) -> Any:
    """Read the MP4's own comment with another program than the one that wrote it."""
    command = ["ffprobe", "-v", "error", "-show_format", "-of", "json", str(video)]
    answer = subprocess.run(command, capture_output=True, check=True).stdout
    return json.loads(json.loads(answer)["format"]["tags"].get("comment", "null"))


def test_a_sidecar_tells_where_a_video_comes_from(render: Render, stage: Stage, ask: Ask) -> None:
    picture = stage.settings.images / "J1.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (128, 128), "red").save(picture)
    request = ask(image="J1.png")
    accept(stage, request)
    assert tick(render)
    video = stage.settings.outputs / "J1.1.mp4"
    sidecar = told(video.with_suffix(".json"))
    assert sidecar["request"] == request.model_dump(exclude={"image"}) | {
        "image_sha256": hashlib.sha256(picture.read_bytes()).hexdigest()
    }
    assert (sidecar["job_id"], sidecar["attempt"], sidecar["mode"]) == ("J1", 1, "usual")
    assert sidecar["model"]["name"] == "pocket"
    assert len(sidecar["model"]["revision"]) >= 12
    assert sidecar["versions"].keys() == {"wan22", "diffusers", "torch", "transformers", "av"}
    phases = ["encoding_prompt", "denoising", "decoding", "encoding_video"]
    assert list(sidecar["timings_s"]) == phases
    assert all(0 < spent < 60 for spent in sidecar["timings_s"].values())
    assert 10**8 < sidecar["peaks"]["host_rss_bytes"] < 10**10
    assert sidecar["peaks"]["gpu_allocated_bytes"] is None
    assert verify(video, video.with_suffix(".json")).video.size_bytes == video.stat().st_size


@pytest.mark.parametrize("wish", [{}, {"embed_metadata": False}])
def test_the_mp4_tells_it_in_short_unless_the_request_says_no(
    render: Render, stage: Stage, ask: Ask, wish: dict[str, bool]
) -> None:
    request = ask(prompt="ein roter Kreis; 红色; \"'\\", **wish)
    accept(stage, request)
    assert tick(render)
    found = comment(stage.settings.outputs / "J1.1.mp4")
    model = told(stage.settings.outputs / "J1.1.json")["model"]
    assert found == (
        {
            "job_id": "J1",
            "prompt": request.prompt,
            "seed": request.seed,
            "model": "pocket",
            "revision": model["revision"],
            "wan22": jobstore.__version__,
        }
        if request.embed_metadata
        else None
    )


def test_a_request_that_is_older_than_the_field_is_still_read(ask: Ask) -> None:
    """As it lies in the store of a version before."""
    old = ask().model_dump(exclude={"embed_metadata"})
    assert Request.model_validate_json(json.dumps(old)).embed_metadata is True


def test_hashes_come_from_the_manifest_of_the_checkpoint(tmp_path: Path) -> None:
    assert hashes(tmp_path) is None
    files = {"vae/a.safetensors": {"size_bytes": 3, "sha256": "ab" * 32}}
    manifest = {"format": 1, "repository": "a/b", "revision": "c", "files": files}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert hashes(tmp_path) == {"vae/a.safetensors": "ab" * 32}


@pytest.mark.parametrize("left", [["J1.5.jpg", "J1.5.json", "J1.5.mp4"], ["J1.5.jpg", "J1.5.mp4"]])
def test_a_sidecar_goes_with_its_video_from_claim_to_claim(
    render: Render, stage: Stage, ask: Ask, left: list[str]
) -> None:
    """Two claims died: one between its sidecar and its video, one after both; the third adopts.

    Where the video has lost its own sidecar, it gets no other's.
    """
    accept(stage, ask())
    for dead in ("one", "two"):
        assert stage.store.jobs.claim(dead, stage.host, 60_000, now_ms())
        stage.store.jobs.rescue([dead], now_ms())
    outputs = stage.settings.outputs
    outputs.mkdir()
    sha256 = hashlib.sha256(lay(outputs / "J1.3.mp4", ask())).hexdigest()
    (outputs / "J1.1.json").write_text('{"video": {"sha256": "of another one"}}')
    if "J1.5.json" in left:
        (outputs / "J1.3.json").write_text(json.dumps({"video": {"sha256": sha256}}))
    (outputs / "J1.1.jpg").write_bytes(b"of the one that died first")
    assert tick(render)
    job = stage.store.views.find("J1")
    assert job
    assert (job.state, job.fence) == (State.RENDERED, 5)
    assert sorted(file.name for file in outputs.iterdir()) == left
    assert sha256 in "".join(file.read_text() for file in outputs.glob("*.json")) or len(left) == 2


def test_a_sidecar_without_its_video_is_forgotten(render: Render, stage: Stage, ask: Ask) -> None:
    """The claim before died between the two; what it left in `work` goes as well."""
    accept(stage, ask())
    assert stage.store.jobs.claim("dead", stage.host, 60_000, now_ms())
    stage.store.jobs.rescue(["dead"], now_ms())
    stage.settings.outputs.mkdir()
    (stage.settings.outputs / "J1.1.json").write_text("{}")
    (stage.settings.work / "J1.1.json").write_text("{}")
    assert [file.name for file in sweep(stage.settings, stage.store.views)] == ["J1.1.json"]
    assert tick(render)
    names = sorted(file.name for file in stage.settings.outputs.iterdir())
    assert names == ["J1.3.jpg", "J1.3.json", "J1.3.mp4"]


def test_a_whole_video_that_was_broken_since_is_rendered_anew(
    render: Render, stage: Stage, ask: Ask
) -> None:
    accept(stage, ask())
    assert stage.store.jobs.claim("dead", stage.host, 60_000, now_ms())
    stage.settings.outputs.mkdir()
    whole = lay(stage.settings.outputs / "J1.1.mp4", ask())
    (stage.settings.outputs / "J1.1.mp4").write_bytes(whole[: len(whole) // 2])
    stage.store.jobs.rescue(["dead"], now_ms())
    assert tick(render)
    probe(stage.settings.outputs / "J1.3.mp4", (5, 128, 128), 24)
