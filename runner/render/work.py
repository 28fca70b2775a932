"""The work of the render stage: claim a job, render it, and record what came of it."""

import os
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

import structlog
import torch
from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import LeaseLost, StoreUnavailable
from jobstore.failpoints import failpoint
from jobstore.job import Job, Phase, Video
from jobstore.jobs import STREAK_REST_MS
from jobstore.moves import State
from jobstore.settings import ModelSettings
from runner.render import film, video
from runner.render.checkpoint import identity
from runner.render.decode import Frames
from runner.render.keep import Checkpoints
from runner.render.model import Model, load
from runner.render.output import Output, sweep
from runner.render.picture import PictureLost
from runner.stage import EXIT_AT_ONCE, Stage

log = get_logger()
Answer = TypeVar("Answer")

# Percent of the whole at which each phase begins and ends; denoising is nearly all of the time.
# Frames are encoded while they are decoded: the phase named for it is the rest, and the checks.
SPANS = {
    Phase.ENCODING_PROMPT: (0, 2),
    Phase.DENOISING: (2, 90),
    Phase.DECODING: (90, 98),
    Phase.ENCODING_VIDEO: (98, 100),
}
BACKOFF_S = (10.0, 40.0, 160.0)
INSIST_S = 1.0  # between two tries of a move while the store is away
REST_S = 60.0  # after a fault of the machine, before the next job is tried
LOW_WATER_BYTES = 256 << 20  # of free disk: a video of the 5B takes tens of megabytes


class Stopped(Exception):
    """The stage was told to stop."""


class Cancelled(Exception):
    """Somebody asked for the job to be cancelled."""


class Render:
    """The work of the render stage."""

    grace_s = 120.0  # a step of the 5B takes about 22 s, its decoding up to 90 s

    def __init__(self, stage: Stage, settings: ModelSettings, dice: random.Random) -> None:
        """Render the jobs of the stage's store; `dice` spreads the retries."""
        self.stage = stage
        self.settings = settings
        self.dice = dice
        self.facts: Mapping[str, object] = {"model_loaded": False}
        self._model: Model | None = None
        self._cancelled = threading.Event()
        self._rests_until = 0.0
        self._moved_at = 0.0
        self._step_ms: int | None = None
        self._decodes: Counter[str] = Counter()

    def prepare(self) -> None:
        """Load the model; nothing is claimed before."""
        abilities = self.settings.abilities()
        self._model = load(self.settings.model, abilities, self.settings.embeddings)
        for file in sweep(self.settings, self.stage.store.views):
            log.info("work.swept", file=file.name)
        self.facts = {
            "state": "ready",
            "gpu": self._model.gpu,
            "model": abilities.name,
            "model_loaded": True,
        }

    def run_once(self) -> bool:
        """Claim the next job, if any and if this machine can take one, and see it through."""
        if time.monotonic() < self._rests_until or not self._has_room():
            return False
        lease_ms = int(self.settings.lease_s * 1000)
        jobs = self.stage.store.jobs
        job = jobs.claim(self.stage.owner.owner_id, self.stage.host, lease_ms, now_ms())
        self._say_if_resting()
        if job is None:
            return False

        def renew() -> None:
            if time.monotonic() - self._moved_at > self.settings.stall_s:
                log.critical("render.stalled", without_a_step_s=self.settings.stall_s)
                end_here()
            if jobs.renew(job, lease_ms, now_ms()):
                self._cancelled.set()

        self._cancelled.clear()
        self._moved_at = time.monotonic()
        with (
            structlog.contextvars.bound_contextvars(job_id=job.job_id, attempt=job.attempt),
            self.stage.heartbeat.holding(renew),
        ):
            log.info("job.claimed", fence=job.fence)
            try:
                with self._checkpoints(job) as kept:
                    self._see_through(job, kept)
            except LeaseLost:
                Output(self.settings, job).discard()
                log.warning("job.dropped", fence=job.fence)
        return True

    def _see_through(self, job: Job, kept: Checkpoints) -> None:
        jobs = self.stage.store.jobs
        try:
            rendered = self._adopt(job) or self._render(job, kept)
        except LeaseLost:
            raise
        except Cancelled:
            self._insist(lambda: jobs.stop(job, now_ms()))
            kept.remove()
            log.info("job.cancelled")
        except Stopped:
            kept.flush()
            self._insist(lambda: jobs.release(job, now_ms()))
            log.info("job.released", fence=job.fence)
        except PictureLost as error:
            reason = str(error)
            self._insist(lambda: jobs.fail(job, "image_lost", reason, now_ms()))
            kept.remove()
            log.error("job.failed", error=reason)
        except OSError as error:
            kept.flush()
            self._insist(lambda: jobs.release(job, now_ms()))
            self._rest(error)
        except torch.AcceleratorError as error:
            log.critical("card.lost", error=str(error))
            end_here()
        except Exception as error:
            kept.flush()
            if self._postpone(job, error) is not State.QUEUED:
                kept.remove()
        else:
            self._insist(
                lambda: jobs.finish(job, self.stage.host, rendered, self._step_ms, now_ms())
            )
            kept.remove()
            log.info("job.rendered", size_bytes=rendered.size_bytes)

    def _checkpoints(self, job: Job) -> Checkpoints:
        whose = identity(job, self._loaded.abilities)
        every_step = self.settings.checkpoint_every_step
        return Checkpoints(self.settings.work, job, whose, every_step=every_step)

    @property
    def _loaded(self) -> Model:
        if self._model is None:
            message = "prepare comes first"
            raise RuntimeError(message)
        return self._model

    def _adopt(self, job: Job) -> Video | None:
        self._step_ms = None
        adopted = Output(self.settings, job).adopt()
        if adopted:
            log.info("render.adopted", path=str(adopted.path))
        return adopted

    def _render(self, job: Job, kept: Checkpoints) -> Video:
        request, output = job.request, Output(self.settings, job)
        began_at = kept.find()
        if began_at:
            log.info("render.resumed", step=began_at)
        began = 0.0

        def tell(phase: Phase, done: int) -> None:
            nonlocal began
            if phase is Phase.DENOISING and done == began_at:
                began = time.monotonic()
            elif phase is Phase.DENOISING:
                self._step_ms = int((time.monotonic() - began) * 1000 / (done - began_at))
            self._tell(job, phase, done, began_at)

        def write(pieces: Iterable[Frames]) -> None:
            video.encode(pieces, output.work, request.fps)

        try:
            rung = film.render(self._loaded, request, self.settings.images, tell, write, kept=kept)
            self._decodes[rung] += 1
            self.facts = {**self.facts, "decodes": dict(self._decodes)}
            failpoint("render.encoded")
            shape = (request.num_frames, request.height, request.width)
            video.probe(output.work, shape, request.fps)
            return output.publish()
        finally:
            output.work.unlink(missing_ok=True)

    def _tell(self, job: Job, phase: Phase, done: int, began_at: int) -> None:
        """Record progress; end the render here when it is not wanted any more.

        `done` counts steps while denoising, and percent of the phase otherwise. A render that goes
        on after `began_at` steps is never said to be less far.
        """
        self._moved_at = time.monotonic()
        if self.stage.stopping.is_set():
            raise Stopped
        if self.stage.heartbeat.lost.is_set():
            raise LeaseLost
        if self._cancelled.is_set():
            raise Cancelled
        steps = job.request.steps
        step = {Phase.ENCODING_PROMPT: began_at, Phase.DENOISING: done}.get(phase, steps)
        progress = percent(phase, done, steps)
        if began_at:
            progress = max(progress, percent(Phase.DENOISING, began_at, steps))
        try:
            self.stage.store.jobs.advance(job, phase, step, progress, began_at=began_at)
        except StoreUnavailable as error:
            log.warning("progress.missed", error=str(error))

    def _postpone(self, job: Job, error: Exception) -> State:
        pause_s = BACKOFF_S[min(job.attempt, len(BACKOFF_S)) - 1] * self.dice.uniform(0.8, 1.2)
        now = now_ms()
        state = self._insist(
            lambda: self.stage.store.jobs.postpone(
                job,
                error_code="render_failed",
                error=f"The render broke ({type(error).__name__}); the log has the reason.",
                due_at=now + int(pause_s * 1000),
                now=now,
            )
        )
        if state is State.QUEUED:
            log.warning("job.postponed", exc_info=error, again_in_s=round(pause_s, 1))
        else:
            log.error("job.failed", exc_info=error)
        return state

    def _insist(self, move: Callable[[], Answer]) -> Answer:
        """Make a move of a job we hold, however long the store is away; the heartbeat goes on.

        Raises:
            LeaseLost: the claim does not stand any more.
            StoreUnavailable: the stage stops before the store is back; whoever claims the job next
                goes on with what lies on the disk.
        """
        while True:
            try:
                return move()
            except StoreUnavailable as error:
                log.warning("store.missed", error=str(error))
                if self.stage.stopping.wait(INSIST_S):
                    raise

    def _say_if_resting(self) -> None:
        """Say aloud when this machine gets no jobs, because different ones crashed on it."""
        resting = self.stage.store.jobs.is_resting(self.stage.host, now_ms())
        if resting and self.facts["state"] == "ready":
            log.error("machine.suspected", again_in_s=STREAK_REST_MS / 1000)
        self.facts = {**self.facts, "state": "resting" if resting else "ready"}

    def _has_room(self) -> bool:
        for folder in (self.settings.outputs, self.settings.images):
            folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self.settings.outputs).free
        if free_bytes < LOW_WATER_BYTES:
            self._rest(OSError(f"only {free_bytes >> 20} MiB are free in {self.settings.outputs}"))
            return False
        return True

    def _rest(self, error: OSError) -> None:
        """Leave the jobs alone for a while: the fault is the machine's, not theirs."""
        self._rests_until = time.monotonic() + REST_S
        log.error("stage.rested", error=str(error), again_in_s=REST_S)


def percent(phase: Phase, done: int, steps: int) -> int:
    """Tell how far the whole is; `done` counts steps while denoising, else percent of the phase."""
    begin, end = SPANS[phase]
    return begin + (end - begin) * done // (steps if phase is Phase.DENOISING else 100)


def end_here() -> NoReturn:
    """End the process at once: nothing in it can be trusted, and its supervisor starts a new one.

    An error of the card makes every later call fail as well; what does not move cannot be asked to
    stop. The job is taken back like that of any process that died: three of those give it up.
    """
    sys.stdout.flush()
    os._exit(EXIT_AT_ONCE)
