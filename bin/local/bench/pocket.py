"""What `bin/bench pocket` does: time the embedded model as the render stage runs it."""

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from jobstore.settings import EMBEDDED_MODEL
from runner.pocket.measure import opened, prompts, render


def bench_pocket(clips: int) -> dict[str, float]:
    """Render clips in a fresh process.

    Returns:
        `clip_s`, the median seconds of a clip from its prompt to its MP4 and back to pixels, the
        model being loaded; `rss_mib`, the most memory that the process ever held.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        took, peak_kib = fresh.submit(render_clips, clips).result()
    return {"clip_s": round(median(took), 2), "rss_mib": round(peak_kib / 1024)}


def render_clips(clips: int) -> tuple[list[float], int]:
    """Answer the seconds of each clip but the first, and the peak of resident memory in KiB."""
    took = []
    with opened(EMBEDDED_MODEL) as model:
        for asked in prompts()[: clips + 1]:
            began = time.monotonic()
            render(model, asked)
            took.append(time.monotonic() - began)
    return took[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
