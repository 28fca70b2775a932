"""What `bin/bench pocket` does: time the embedded model as the render stage runs it."""

import multiprocessing
import resource
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from jobstore.abilities import Abilities
from jobstore.job import Phase, Request
from jobstore.settings import EMBEDDED_MODEL
from runner.render import film, video
from runner.render.model import load


def bench_pocket(clips: int) -> dict[str, float]:
    """Render clips in a fresh process.

    Returns:
        `clip_s`, the median seconds of a clip from its prompt to its MP4, the model being loaded;
        `rss_mib`, the most memory that the process ever held.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        took, peak_kib = pool.apply(render_clips, (clips,))
    return {"clip_s": round(median(took), 2), "rss_mib": round(peak_kib / 1024)}


def render_clips(clips: int) -> tuple[list[float], int]:
    """Answer the seconds of each clip and the peak of resident memory in KiB."""
    can = Abilities.read(EMBEDDED_MODEL)
    model = load(EMBEDDED_MODEL, can)
    width, height = can.size_for(None)
    took = []
    with TemporaryDirectory() as folder:
        for seed in range(clips + 1):
            request = Request(
                prompt="a red circle moves right",
                negative_prompt="",
                image=None,
                width=width,
                height=height,
                num_frames=can.num_frames,
                fps=can.fps,
                steps=can.steps,
                guidance_scale=can.guidance_scale,
                seed=seed,
            )
            began = time.monotonic()
            frames = film.render(model, request, Path(folder), silent)
            video.encode(frames, Path(folder) / "clip.mp4", can.fps)
            took.append(time.monotonic() - began)
    return took[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def silent(_phase: Phase, _step: int) -> None:
    """Tell nobody."""
