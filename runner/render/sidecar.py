"""What is known of a video: whole in the sidecar beside it, in short inside the MP4."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jobstore
from jobstore import clock
from jobstore.abilities import Abilities
from jobstore.job import Job, Request, Video
from jobstore.settings import ModelSettings
from jobstore.verify import FORMAT
from runner.render.judgement import Reason
from runner.render.ladder import Rung
from runner.render.meter import Meter
from runner.render.mode import Mode

LIBRARIES = ("diffusers", "torch", "transformers", "av")
MANIFEST = "manifest.json"  # of the checkpoint, written by whoever fetched it: names and hashes


@dataclass(frozen=True)
class Course:
    """How a render went: in which mode, on which rung, and why the one before was rejected.

    The `peaks` are those until its frames were there: the next render begins after that.
    """

    mode: Mode
    rung: Rung
    rejected: Reason | None
    meter: Meter
    peaks: Mapping[str, int | None]


def sidecar(settings: ModelSettings, job: Job, course: Course, video: Video) -> bytes:
    """Write down where a video comes from and how it was made, as JSON."""
    abilities = settings.abilities()
    record = {
        "format": FORMAT,
        "job_id": job.job_id,
        "attempt": job.attempt,
        "finished_at": clock.text(clock.now_ms()),
        "request": request_of(job.request, settings.images),
        "model": {
            "name": abilities.name,
            "revision": abilities.revision,
            "files": hashes(settings.model),
        },
        "versions": versions(),
        "mode": course.mode.name,
        "decoded": course.rung,
        "rejected_before": course.rejected,
        "timings_s": course.meter.timings_s(),
        "peaks": course.peaks,
        "video": {"size_bytes": video.size_bytes, "sha256": video.sha256},
    }
    return f"{json.dumps(record, ensure_ascii=False, indent=2)}\n".encode()


def tags(job: Job, abilities: Abilities) -> dict[str, str]:
    """Give what the MP4 itself tells, as a comment that is JSON; nothing if that is not wanted.

    Source:
        ffmpeg's mov muxer keeps `comment` as it is; other names would need `use_metadata_tags`.
    """
    if not job.request.embed_metadata:
        return {}
    told = {
        "job_id": job.job_id,
        "prompt": job.request.prompt,
        "seed": job.request.seed,
        "model": abilities.name,
        "revision": abilities.revision,
        "wan22": jobstore.__version__,
    }
    return {"comment": json.dumps(told, ensure_ascii=False, separators=(",", ":"))}


def request_of(request: Request, images: Path) -> dict[str, object]:
    """Give all that was asked; a picture is told by its SHA-256, null if it is gone."""
    asked = request.model_dump(exclude={"image"})
    if request.image:
        asked["image_sha256"] = hash_of(images / request.image)
    return asked


def hash_of(file: Path) -> str | None:
    """Give the SHA-256 of a file, if it is still there."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def hashes(model: Path) -> dict[str, str] | None:
    """Give the SHA-256 of each file of a checkpoint, as its manifest has them; None without one."""
    try:
        manifest = json.loads((model / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    return {name: file["sha256"] for name, file in manifest["files"].items()}


def versions() -> dict[str, str]:
    """Give the versions of what makes the numbers and the file."""
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"wan22": jobstore.__version__, **libraries}
