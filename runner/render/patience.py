"""How long a render may take: without a step, and in all."""

import time
from collections.abc import Callable


class DeadlineExceeded(Exception):
    """A job was rendered for longer than it may; the message is for whoever asked for it."""

    def __init__(self, deadline_s: float) -> None:
        """Say how long that is."""
        super().__init__(
            f"It was rendered for {deadline_s:.0f} s (DEADLINE_S) and is not done. Ask for less, or"
            " raise the limit."
        )


class Patience:
    """Counts the time for which a job is rendered, in all of its claims together.

    Waiting does not count: neither in the queue, nor between the two renders of a job whose first
    result was broken, nor while the machine sleeps. Of a claim that was killed, what its last
    heartbeat told the store counts.
    """

    def __init__(
        self,
        stall_s: float,
        deadline_s: float,
        spent_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from what earlier claims have spent; the time runs from now on.

        The usual clock stands still while the machine sleeps, and nobody sets it.
        """
        self._stall_s = stall_s
        self._deadline_s = deadline_s
        self._clock = clock
        now = clock()
        self._begun_at: float | None = now - spent_ms / 1000  # as if it had all been one render
        self._moved_at = now
        self._spent_s = 0.0  # counts only while nothing is rendered

    def move(self) -> None:
        """Hear that the render has begun, or is further than before."""
        self._moved_at = self._clock()
        if self._begun_at is None:
            self._begun_at = self._moved_at - self._spent_s

    def rest(self) -> None:
        """Hear that the job is not rendered now; the time stands still until the next move."""
        self._spent_s = self.spent_ms / 1000
        self._begun_at = None

    @property
    def spent_ms(self) -> int:
        """How long the job was rendered so far."""
        begun_at = self._begun_at
        return int((self._spent_s if begun_at is None else self._clock() - begun_at) * 1000)

    @property
    def is_stalled(self) -> bool:
        """Whether nothing has moved for too long."""
        return self._begun_at is not None and self._clock() - self._moved_at > self._stall_s

    def check(self) -> None:
        """Make sure that the job may be rendered any longer.

        Raises:
            DeadlineExceeded: it has taken too long in all.
        """
        if self.spent_ms > self._deadline_s * 1000:
            raise DeadlineExceeded(self._deadline_s)
