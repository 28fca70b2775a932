"""Keeping checkpoints beside a render: seldom enough not to slow it, and written by a thread."""

import contextlib
import contextvars
import threading
import time
from pathlib import Path
from typing import Protocol, Self

import torch
from structlog.stdlib import get_logger

from jobstore.failpoints import failpoint
from jobstore.job import Job
from runner.render import checkpoint
from runner.render.checkpoint import SUFFIX, Checkpoint, Identity
from runner.render.scheduler import State

log = get_logger()

# Of the render's time, at most, that may be counted for them: half of the 2 % that they may cost.
# The rest cannot be counted: caches, the interpreter's lock (`bin/bench resume` sees all of it).
SHARE = 0.01
FIRST_COST_S = 0.002  # what a small one is taken to cost before one has been measured
FIRST_BYTES_PER_S = 400e6  # and, for its size: copied, hashed, written to the page cache


class Stateful(Protocol):
    """A scheduler that can tell its state."""

    def state(self) -> State:
        """Tell all that the next step will need, besides the latents."""


class Pace:
    """Whether a checkpoint is due: its cost must not be more than a share of the time gone by."""

    def __init__(self, share: float = SHARE) -> None:
        """Allow nothing yet."""
        self._share = share
        self._allowed_s = 0.0
        self._cost_s: float | None = None

    def passed(self, seconds: float) -> None:
        """Let a step go by."""
        self._allowed_s += seconds * self._share

    def allows(self, size_bytes: int) -> bool:
        """Tell whether a checkpoint of this size may be made now."""
        guess_s = FIRST_COST_S + size_bytes / FIRST_BYTES_PER_S
        return self._allowed_s >= (guess_s if self._cost_s is None else self._cost_s)

    def spent(self, seconds: float) -> None:
        """Take something off what is allowed."""
        self._allowed_s -= seconds

    def learn(self, cost_s: float) -> None:
        """Expect the next checkpoint to cost as much as this one did in all."""
        self._cost_s = cost_s


class Checkpoints:
    """The checkpoints of one claim: what it goes on from, and what it leaves behind.

    At most one is being written and one waits, which a newer one replaces. All but the writing
    happens on the thread that renders.
    """

    def __init__(
        self,
        folder: Path,
        job: Job,
        whose: Identity,
        pace: Pace | None = None,
        *,
        every_step: bool = False,
    ) -> None:
        """Keep them in a folder; `every_step` waits after each step until it is on the disk."""
        self._folder = folder
        self._job = job
        self._whose = whose
        self._every_step = every_step
        self._found: Checkpoint | None = None
        self._newest: Checkpoint | None = None
        self._kept_step = 0
        self._stepped_at = time.perf_counter()
        self._pace = pace or Pace()
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting: tuple[Checkpoint, float] | None = None
        self._writing = False
        self._closed = False

    def __enter__(self) -> Self:
        """Keep them until the claim ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Forget everything but what lies on the disk."""
        with self._turn:
            self._closed, self._waiting = True, None
            self._turn.notify_all()
        if self._thread:
            self._thread.join()
        self._found = self._newest = None

    def find(self) -> int:
        """Look for what an earlier claim has left; answers how many steps are finished."""
        self._found = checkpoint.find(self._folder, self._job.job_id, self._whose)
        self._kept_step = self._found.step if self._found else 0
        self._stepped_at = time.perf_counter()
        return self._kept_step

    def take(self) -> Checkpoint | None:
        """Hand over what was found, once."""
        found, self._found = self._found, None
        return found

    def after_step(self, step: int, latents: torch.Tensor, scheduler: Stateful) -> None:
        """Keep where the render stands after a step, if that is due.

        Args:
            step: how many steps are finished.
            latents: as the step has left them; nothing changes them afterwards.
            scheduler: as the step has left it.
        """
        now = time.perf_counter()
        self._pace.passed(now - self._stepped_at)
        self._stepped_at = now
        self._newest = Checkpoint(step, latents, scheduler.state())
        if self._every_step:
            self.flush()
        elif self._pace.allows(self._newest.size_bytes):
            self._hand_over(self._newest)

    def flush(self) -> None:
        """Wait until the newest step is on the disk, due or not."""
        if self._newest and self._newest.step > self._kept_step:
            self._hand_over(self._newest)
        with self._turn:
            self._turn.wait_for(lambda: not (self._waiting or self._writing))

    def remove(self) -> None:
        """Remove what this claim and those before it have kept: the job has come to an end."""
        with self._turn:
            self._waiting = self._newest = None
            self._turn.wait_for(lambda: not self._writing)
        self._unlink(self._job.fence + 1)

    def write(self, copied: Checkpoint) -> None:
        """Write one on the thread that does nothing else; the render goes on if it fails."""
        try:
            checkpoint.write(checkpoint.path_of(self._folder, self._job), self._whose, copied)
            failpoint("checkpoint.written")
            self._unlink(self._job.fence)
        except Exception as error:
            log.warning("checkpoint.missed", step=copied.step, error=str(error))

    def _hand_over(self, newest: Checkpoint) -> None:
        """Copy a checkpoint to this machine's memory: all that the render has to wait for."""
        if newest.latents.device.type == "cuda":
            torch.cuda.synchronize(newest.latents.device)  # the step itself is no cost of ours
        began = time.perf_counter()
        self._kept_step = newest.step
        try:
            if not newest.is_finite():
                log.warning("checkpoint.missed", step=newest.step, error="a number is not finite")
                return
            copied = newest.copied()
        except torch.OutOfMemoryError as error:  # the render may just have ended for the same
            log.warning("checkpoint.missed", step=newest.step, error=str(error))
            return
        handed_s = time.perf_counter() - began
        with self._turn:
            self._pace.spent(handed_s)
            self._waiting = (copied, handed_s)
            self._turn.notify_all()
        if self._thread is None:
            context = contextvars.copy_context()
            self._thread = threading.Thread(
                target=context.run, args=(self._run,), name="checkpoint", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        """Write what waits, until closed."""
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._closed)
                if self._waiting is None:
                    return
                (copied, handed_s), self._waiting = self._waiting, None
                self._writing = True
            began = time.thread_time()
            self.write(copied)
            del copied
            # Waiting for the disk costs the render nothing; computing takes a core from it.
            wrote_s = time.thread_time() - began
            with self._turn:
                self._pace.spent(wrote_s)
                self._pace.learn(handed_s + wrote_s)
                self._writing = False
                self._turn.notify_all()

    def _unlink(self, below: int) -> None:
        """Remove the checkpoints of claims with a lower fence."""
        for path in self._folder.glob(f"{self._job.job_id}.*{SUFFIX}"):
            fence = path.name.split(".")[-2]
            if fence.isdecimal() and int(fence) < below:
                with contextlib.suppress(OSError):
                    path.unlink()
