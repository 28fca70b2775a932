"""Whether the storage can be used, as far as the last uploads tell."""

import threading
import time
from collections.abc import Callable

from jobstore.errors import KeyTaken, ObjectsRefused

PROBE_S = 10.0


class Outage:
    """An outage of the storage, if there is one: what fails waits ever longer, but not all of it.

    While uploads fail, the one that is due first is tried every ten seconds, whatever its pause;
    once one goes through, nobody has to wait any more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without one."""
        self._clock = clock
        self._lock = threading.Lock()
        self._state = "ready"
        self._probe_at = 0.0

    @property
    def state(self) -> str:
        """Tell how it is: `ready`, `storage_away`, or `storage_refused`, which a person mends."""
        return self._state

    def begin(self, error: Exception) -> None:
        """An upload has failed; a key that is taken says nothing of the others."""
        if isinstance(error, KeyTaken):
            return
        with self._lock:
            if self._state == "ready":
                self._probe_at = self._clock() + PROBE_S
            refused = isinstance(error, ObjectsRefused)
            self._state = "storage_refused" if refused else "storage_away"

    def end(self) -> bool:
        """An upload went through; tells whether none had before."""
        with self._lock:
            was, self._state = self._state, "ready"
            return was != "ready"

    def probe(self) -> bool:
        """Tell whether it is time to try one."""
        with self._lock:
            due = self._state != "ready" and self._clock() >= self._probe_at
            if due:
                self._probe_at = self._clock() + PROBE_S
            return due
