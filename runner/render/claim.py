"""One job in our hands: kept alive, told of, and given out of them in one of its ways."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

import torch
from structlog.contextvars import bound_contextvars
from structlog.stdlib import get_logger

from jobstore.abilities import Abilities
from jobstore.clock import now_ms
from jobstore.errors import LeaseLost, StoreUnavailable
from jobstore.job import Job, Phase, Video
from jobstore.moves import State
from jobstore.settings import ModelSettings
from runner.render.checkpoint import identity
from runner.render.ends import Cancelled, Hopeless, Stopped
from runner.render.judgement import Reason, Rejected
from runner.render.keep import Checkpoints
from runner.render.mode import SAFE, USUAL
from runner.render.output import Output
from runner.render.patience import Patience
from runner.render.progress import percent
from runner.stage import Stage, end_here

log = get_logger()
Answer = TypeVar("Answer")

BACKOFF_S = (10.0, 40.0, 160.0)
INSIST_S = 1.0  # between two tries of a move while the store is away


class Claim:
    """A job that this process has claimed.

    Two may be held at once: one is being rendered, the video of the other made whole.
    """

    def __init__(
        self,
        stage: Stage,
        settings: ModelSettings,
        job: Job,
        abilities: Abilities,
        dice: random.Random,
    ) -> None:
        """Take hold of a job that was just claimed; its lease is renewed from now on."""
        self.job = job
        self._kept = Checkpoints(
            settings.work,
            job,
            identity(job, abilities),
            every_step=settings.checkpoint_every_step,
        )
        self._began_at = 0
        self.output = Output(settings, job)
        self.mode = USUAL
        self.rejected: Reason | None = None
        self.step_ms: int | None = None
        self._denoising_since = 0.0
        self._stage = stage
        self._settings = settings
        self._dice = dice
        self._cancelled = threading.Event()
        self.is_held = True  # in our hands: also when lost, as long as that was not met with
        self._patience = Patience(settings.deadline_s, job.spent_ms)
        stage.moved_at = time.monotonic()
        self._hold = stage.heartbeat.hold(self._renew)

    def _renew(self) -> None:
        if time.monotonic() - self._stage.moved_at > self._settings.stall_s:
            log.critical("render.stalled", without_a_step_s=self._settings.stall_s)
            end_here()
        lease_ms = int(self._settings.lease_s * 1000)
        spent_ms = self._patience.spent_ms
        if self._stage.store.jobs.renew(self.job, lease_ms, now_ms(), spent_ms):
            self._cancelled.set()

    def kept(self) -> Checkpoints | None:
        """Look where to go on from, and give what keeps each step; the safe mode does without.

        The render begins with it.
        """
        self._patience.move()
        if not self.mode.skips:
            self._began_at = 0
            return None
        self._began_at = self._kept.find()
        if self._began_at:
            log.info("render.resumed", step=self._began_at)
        return self._kept

    def tell(self, phase: Phase, done: int) -> None:
        """Record progress; end the render here when it is not wanted any more.

        `done` counts steps while denoising, and percent of the phase otherwise.

        Raises:
            Stopped, DeadlineExceeded, LeaseLost, Cancelled: see `check`.
        """
        self._stage.moved_at = time.monotonic()
        self.check()
        self._time(phase, done)
        steps, began_at = self.job.request.steps, self._began_at
        whole = percent(phase, done, steps)
        before = dict.fromkeys((Phase.LOADING_MODEL, Phase.ENCODING_PROMPT), began_at)
        step = {**before, Phase.DENOISING: done}.get(phase, steps)
        try:
            if self._stage.store.jobs.advance(self.job, phase, step, whole, began_at=began_at):
                self._cancelled.set()
        except StoreUnavailable as error:
            log.warning("progress.missed", error=str(error))
        self.check_wanted()

    def check(self) -> None:
        """Make sure that the render of the job is to go on; asks nobody, so it costs nothing.

        Raises:
            Stopped: the stage was told to stop, or its machine is taken away.
            LeaseLost, Cancelled: see `check_wanted`.
            DeadlineExceeded: it takes longer than it may.
        """
        if self._stage.hands_back:
            raise Stopped
        self.check_wanted()
        self._patience.check()

    def check_wanted(self) -> None:
        """Make sure that the job is still ours and still wanted.

        Raises:
            LeaseLost: the job is somebody else's.
            Cancelled: somebody asked for that.
        """
        if self._hold.lost.is_set():
            raise LeaseLost
        if self._cancelled.is_set():
            raise Cancelled

    def _time(self, phase: Phase, done: int) -> None:
        made = done - self._began_at
        if phase is Phase.DENOISING and made == 0:
            self._denoising_since = self._stage.moved_at
        elif phase is Phase.DENOISING:
            self.step_ms = int((self._stage.moved_at - self._denoising_since) * 1000 / made)

    def in_context(self) -> AbstractContextManager[None]:
        """Let log lines say, for as long as this is open, which job they are about."""
        return bound_contextvars(job_id=self.job.job_id, attempt=self.job.attempt)

    def try_to(self, act: Callable[[], Answer]) -> Answer | None:
        """Do a part of the work on the job.

        Returns:
            What came of it, or None: it did not come to its end. The job has left our hands, or is
            still held because it is to be rendered once more, in the safe mode.

        Raises:
            StoreUnavailable: the stage stops, and the store is away; whoever claims the job next
                goes on with what lies on the disk.
            OSError: a fault of the machine. No job fails for it: this one was given back.
        """
        try:
            return self._try(act)
        except LeaseLost:
            self._let_go()
            self._drop()
        except BaseException:
            self._let_go()
            raise
        return None

    def _try(self, act: Callable[[], Answer]) -> Answer | None:
        try:
            return act()
        except (LeaseLost, StoreUnavailable):
            raise
        except Cancelled:
            self._leave(lambda: self._stage.store.jobs.stop(self.job, now_ms()))
            self._kept.remove()
            log.info("job.cancelled")
        except Stopped:
            self._release()
        except Hopeless as error:
            self._fail(error.error_code, str(error))
        except Rejected as error:
            self._reject(error)
        except OSError:
            self._release()
            raise
        except torch.AcceleratorError as error:
            log.critical("card.lost", error=str(error))
            end_here()
        except Exception as error:
            self._postpone(error)
        return None

    def give_back(self) -> None:
        """Give the job back unfinished, if it is still ours and wanted (see `check_wanted`)."""
        self.check_wanted()
        self._release()

    def finish(self, video: Video) -> None:
        """Record the render and owe its video to the object storage.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self._leave(lambda: self._record(video))
        self._kept.remove()
        log.info("job.rendered", size_bytes=video.size_bytes)

    def _record(self, video: Video) -> None:
        """Record the render, unless an earlier try did, whose answer was lost on its way.

        Whoever takes the job away raises the fence: while it is ours, the record is ours too.
        """
        store = self._stage.store
        try:
            store.jobs.finish(self.job, self._stage.host, video, self.step_ms, now_ms())
        except LeaseLost:
            job = store.views.find(self.job.job_id)
            if job is None or job.fence != self.job.fence:
                raise

    def _drop(self) -> None:
        """Throw away what was made; a whole video is left to the next claim, if one may come."""
        with suppress(StoreUnavailable):
            job = self._stage.store.views.find(self.job.job_id)
            if job is None or job.state is not State.QUEUED:
                self.output.discard()
        log.warning("job.dropped", fence=self.job.fence)

    def _reject(self, error: Rejected) -> None:
        if self.mode is SAFE:
            reason = f"Rendered twice, and wrong both times: {error} Try another seed."
            self._fail("quality", reason)
            return
        self.mode, self.rejected = SAFE, error.reason
        self._patience.rest()
        log.warning("render.rejected", reason=error.reason, error=str(error))

    def _release(self) -> None:
        self._kept.flush()
        self._leave(lambda: self._stage.store.jobs.release(self.job, now_ms()))
        log.info("job.released", fence=self.job.fence)

    def _fail(self, error_code: str, reason: str) -> None:
        self._leave(lambda: self._stage.store.jobs.fail(self.job, error_code, reason, now_ms()))
        self._kept.remove()
        log.error("job.failed", error_code=error_code, error=reason)

    def _postpone(self, error: Exception) -> None:
        self._kept.flush()
        pause_s = BACKOFF_S[min(self.job.attempt, len(BACKOFF_S)) - 1] * self._dice.uniform(
            0.8, 1.2
        )
        now = now_ms()
        state = self._leave(
            lambda: self._stage.store.jobs.postpone(
                self.job,
                error_code="render_failed",
                error=f"The render broke ({type(error).__name__}); the log has the reason.",
                due_at=now + int(pause_s * 1000),
                now=now,
            )
        )
        if state is State.QUEUED:
            log.warning("job.postponed", exc_info=error, again_in_s=round(pause_s, 1))
        else:
            self._kept.remove()
            log.error("job.failed", error_code="render_failed", exc_info=error)

    def _leave(self, move: Callable[[], Answer]) -> Answer:
        """Give the job out of our hands, however long the store is away.

        Raises:
            LeaseLost: the claim does not stand any more.
            StoreUnavailable: the stage stops before the store is back.
        """
        while True:
            try:
                answer = move()
            except StoreUnavailable as error:
                log.warning("store.missed", error=str(error))
                self._stage.moved_at = time.monotonic()  # to insist is no stall, of whatever waits
                if self._stage.stopping.wait(INSIST_S):
                    raise
            else:
                self._let_go()
                return answer

    def _let_go(self) -> None:
        self.is_held = False
        self._hold.let_go()
        self._kept.close()
