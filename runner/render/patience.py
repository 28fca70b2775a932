"""How long a render may take in all."""

import time
from collections.abc import Callable

from runner.render.ends import DeadlineExceeded


class Patience:
    """Counts the time for which a job is rendered, in all of its claims together.

    Waiting does not count: neither in the queue, nor between the two renders of a job whose first
    result was broken, nor while the machine sleeps. Of a claim that was killed, what its last
    heartbeat told the store counts.
    """

    def __init__(
        self,
        deadline_s: float,
        spent_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from what earlier claims have spent; the time runs from now on.

        The usual clock stands still while the machine sleeps, and nobody sets it.
        """
        self._deadline_s = deadline_s
        self._clock = clock
        # As if it had all been one render.
        self._begun_at: float | None = clock() - spent_ms / 1000
        self._spent_s = 0.0  # counts only while nothing is rendered

    def move(self) -> None:
        """Hear that the render has begun, or is further than before."""
        if self._begun_at is None:
            self._begun_at = self._clock() - self._spent_s

    def rest(self) -> None:
        """Hear that the job is not rendered now; the time stands still until the next move."""
        self._spent_s = self.spent_ms / 1000
        self._begun_at = None

    @property
    def spent_ms(self) -> int:
        """How long the job was rendered so far."""
        begun_at = self._begun_at
        return int((self._spent_s if begun_at is None else self._clock() - begun_at) * 1000)

    def check(self) -> None:
        """Make sure that the job may be rendered any longer.

        Raises:
            DeadlineExceeded: it has taken too long in all.
        """
        if self.spent_ms > self._deadline_s * 1000:
            raise DeadlineExceeded(self._deadline_s)
