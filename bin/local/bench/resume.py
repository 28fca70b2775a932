"""What `bin/bench resume` does: the price of checkpoints, and what a kill loses with them."""

import random
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from jobstore.abilities import Abilities
from jobstore.job import Arrival, Job, Request
from jobstore.settings import EMBEDDED_MODEL
from jobstore.store import Store
from runner.render import film
from runner.render.checkpoint import identity
from runner.render.keep import Checkpoints
from runner.render.model import Model, load

WARM_UP = 2


class Killed(Exception):
    """Stands for a kill: nothing after it is done."""


def bench_resume(folder: Path, pairs: int) -> dict[str, float]:
    """Denoise with the embedded model, in turns with checkpoints and without, then with a kill.

    Returns:
        `checkpoint_share`, by how much of its time a render is slowed by them;
        `checkpoint_cpu_share`, the same of the processor's time, which neighbours do not disturb:
        all that the thread that writes computes is in it; `lost_share`, what a
        kill at a random moment costs, as a share of a render that is not killed: what is done once
        more, the reading, and the checkpoints themselves; without them it is a half. Loading the
        model anew is not in it.
    """
    model = load(EMBEDDED_MODEL, Abilities.read(EMBEDDED_MODEL), folder / "embeddings")
    bench = Bench(model, folder)
    for _ in range(WARM_UP):
        bench.denoise_s(bench.checkpoints())
    plain, kept = [], []
    for _ in range(pairs):
        plain.append(timed(bench, nullcontext()))
        kept.append(timed(bench, bench.checkpoints()))
    whole_s = median(wall_s for wall_s, _ in plain)
    dice = random.Random(1)
    lost = [bench.killed_s(whole_s * (turn + dice.random()) / pairs) for turn in range(pairs)]
    both = list(zip(kept, plain, strict=True))
    return {
        "checkpoint_share": round(median(mine[0] / other[0] for mine, other in both) - 1, 4),
        "checkpoint_cpu_share": round(median(mine[1] / other[1] for mine, other in both) - 1, 4),
        "lost_share": round(fmean(lost) / whole_s - 1, 4),
    }


def timed(
    bench: "Bench", keeping: AbstractContextManager[Checkpoints | None]
) -> tuple[float, float]:
    """Denoise once; answers the seconds of the clock, and of the processor."""
    began = time.process_time()
    return bench.denoise_s(keeping), time.process_time() - began


class Bench:
    """One request, denoised again and again by claims of new jobs."""

    def __init__(self, model: Model, folder: Path) -> None:
        """Ask for what the model is best at."""
        self._model = model
        self._folder = folder
        self._store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "wake")
        self._jobs = 0
        self._dies_at = float("inf")
        transformer: Any = model.text.transformer
        transformer.register_forward_pre_hook(self._die_in_time)
        self._request = Request.usual(model.abilities, "a red circle moves right", seed=7)

    def checkpoints(self, job: Job | None = None) -> Checkpoints:
        """Keep those of a job, or else of a new one."""
        job = job or self._claim()
        return Checkpoints(self._folder, job, identity(job, self._model.abilities))

    def killed_s(self, after_s: float) -> float:
        """Denoise, die after so many seconds, go on; answers the seconds both took."""
        job = self._claim()
        began = time.perf_counter()
        self._dies_at = began + after_s
        try:
            return self.denoise_s(self.checkpoints(job))
        except Killed:
            self._dies_at = float("inf")
            lived_s = time.perf_counter() - began
        return lived_s + self.denoise_s(self.checkpoints(job))

    @torch.inference_mode()
    def denoise_s(self, keeping: AbstractContextManager[Checkpoints | None]) -> float:
        """Denoise once; answers how long it took, in seconds."""
        embeddings = film.encode_prompt(self._model, self._request)
        began = time.perf_counter()
        with keeping as kept:
            if kept:
                kept.find()
            given = (self._model, self._request, self._folder, embeddings)
            film.denoise(*given, lambda _phase, _done: None, kept=kept)
        return time.perf_counter() - began

    def _claim(self) -> Job:
        self._jobs += 1
        now, jobs = 1000, self._store.jobs
        jobs.accept(Arrival(f"J{self._jobs}", self._request, "bench", "main"), now)
        job = jobs.claim("bench", "here", 60_000, now)
        if job is None:
            message = "the job just accepted is not to be had"
            raise RuntimeError(message)
        return job

    def _die_in_time(self, *_: object) -> None:
        if time.perf_counter() > self._dies_at:
            raise Killed
