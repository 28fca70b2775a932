"""The work of the render stage: claim a job, render it, and record what came of it."""

import hashlib
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import structlog
from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import LeaseLost, StoreUnavailable
from jobstore.files import publish
from jobstore.job import Job, Phase, Video
from jobstore.moves import State
from jobstore.settings import ModelSettings
from runner.render import film, video
from runner.render.model import Model, load
from runner.render.picture import PictureLost
from runner.stage import Stage

log = get_logger()

# Percent of the whole at which each phase begins; denoising is nearly all of the time.
BEGINS = {
    Phase.ENCODING_PROMPT: 0,
    Phase.DENOISING: 2,
    Phase.DECODING: 90,
    Phase.ENCODING_VIDEO: 96,
    Phase.UPLOADING: 98,
}
BACKOFF_S = (10.0, 40.0, 160.0)


class Stopped(Exception):
    """The stage was told to stop."""


class Cancelled(Exception):
    """Somebody asked for the job to be cancelled."""


class Render:
    """The work of the render stage."""

    def __init__(self, stage: Stage, settings: ModelSettings, dice: random.Random) -> None:
        """Render the jobs of the stage's store; `dice` spreads the retries."""
        self.stage = stage
        self.settings = settings
        self.dice = dice
        self.facts: Mapping[str, object] = {"model_loaded": False}
        self._model: Model | None = None
        self._cancelled = threading.Event()
        self._step_ms: int | None = None

    def prepare(self) -> None:
        """Load the model; nothing is claimed before."""
        abilities = self.settings.abilities()
        self._model = load(self.settings.model, abilities)
        for folder in (self.settings.outputs, self.settings.images):
            folder.mkdir(parents=True, exist_ok=True)
        self.facts = {
            "state": "ready",
            "gpu": self._model.gpu,
            "model": abilities.name,
            "model_loaded": True,
        }

    def run_once(self) -> bool:
        """Claim the next job, if any, and see it through."""
        lease_ms = int(self.settings.lease_s * 1000)
        jobs = self.stage.store.jobs
        job = jobs.claim(self.stage.owner.owner_id, self.stage.host, lease_ms, now_ms())
        if job is None:
            return False

        def renew() -> None:
            if jobs.renew(job, lease_ms, now_ms()):
                self._cancelled.set()

        self._cancelled.clear()
        with (
            structlog.contextvars.bound_contextvars(job_id=job.job_id, attempt=job.attempt),
            self.stage.heartbeat.holding(renew),
        ):
            log.info("job.claimed", fence=job.fence)
            self._see_through(job)
        return True

    def _see_through(self, job: Job) -> None:
        jobs = self.stage.store.jobs
        try:
            rendered = self._adopt(job) or self._render(job)
            jobs.finish(job, self.stage.host, rendered, self._step_ms, now_ms())
            log.info("job.rendered", size_bytes=rendered.size_bytes)
        except LeaseLost:
            self._output(job).unlink(missing_ok=True)
            log.warning("job.dropped", fence=job.fence)
        except Cancelled:
            jobs.stop(job, now_ms())
            log.info("job.cancelled")
        except Stopped:
            jobs.release(job, now_ms())
            log.info("job.released", fence=job.fence)
        except PictureLost as error:
            jobs.fail(job, "image_lost", str(error), now_ms())
            log.error("job.failed", error=str(error))
        except StoreUnavailable:
            raise  # the file is kept: whoever claims the job next finishes with it
        except Exception as error:
            self._postpone(job, error)

    def _render(self, job: Job) -> Video:
        if self._model is None:
            message = "prepare comes first"
            raise RuntimeError(message)
        request = job.request
        began = 0.0

        def tell(phase: Phase, step: int) -> None:
            nonlocal began
            if phase is Phase.DENOISING and step == 0:
                began = time.monotonic()
            if phase is Phase.DECODING:
                self._step_ms = int((time.monotonic() - began) * 1000 / request.steps)
            self._tell(job, phase, step)

        frames = film.render(self._model, request, self.settings.images, tell)
        tell(Phase.ENCODING_VIDEO, request.steps)
        work = self.settings.work / f"{job.job_id}.{job.fence}.mp4"
        video.encode(frames, work, request.fps)
        video.probe(work, (request.num_frames, request.height, request.width), request.fps)
        publish(work, self._output(job))
        return self._measure(self._output(job))

    def _adopt(self, job: Job) -> Video | None:
        """Take over the whole file of an earlier claim that ended before it could say so.

        Files get their public name only when they are whole. The name carries the fence, so that
        an older claim, should it wake up, can neither overwrite nor remove this one's.
        """
        for earlier in self.settings.outputs.glob(f"{job.job_id}.*.mp4"):
            earlier.rename(self._output(job))
            log.info("render.adopted", path=earlier.name)
            return self._measure(self._output(job))
        return None

    def _tell(self, job: Job, phase: Phase, step: int) -> None:
        """Record progress; end the render here when it is not wanted any more."""
        if self.stage.stopping.is_set():
            raise Stopped
        if self.stage.heartbeat.lost.is_set():
            raise LeaseLost
        if self._cancelled.is_set():
            raise Cancelled
        span = BEGINS[Phase.DECODING] - BEGINS[Phase.DENOISING]
        done = span * step // job.request.steps if phase is Phase.DENOISING else 0
        try:
            self.stage.store.jobs.advance(job, phase, step, BEGINS[phase] + done)
        except StoreUnavailable as error:
            log.warning("progress.missed", error=str(error))

    def _postpone(self, job: Job, error: Exception) -> None:
        pause_s = BACKOFF_S[min(job.attempt, len(BACKOFF_S)) - 1] * self.dice.uniform(0.8, 1.2)
        now = now_ms()
        state = self.stage.store.jobs.postpone(
            job,
            error_code="render_failed",
            error=f"The render broke ({type(error).__name__}); the log has the reason.",
            due_at=now + int(pause_s * 1000),
            now=now,
        )
        if state is State.FAILED:
            log.error("job.failed", exc_info=error)
        else:
            log.warning("job.postponed", exc_info=error, again_in_s=round(pause_s, 1))

    def _output(self, job: Job) -> Path:
        return self.settings.outputs / f"{job.job_id}.{job.fence}.mp4"

    def _measure(self, file: Path) -> Video:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        path = PurePosixPath(file.relative_to(self.settings.data_dir))
        return Video(path, file.stat().st_size, sha256)
