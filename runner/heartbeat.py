"""The heartbeat: renews what this process holds, and says that the stage is alive."""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from functools import partial

from structlog.stdlib import get_logger

from jobstore.errors import LeaseLost, StoreUnavailable

log = get_logger()


class Heartbeat:
    """What is held at the moment, if anything, and whether it is still ours."""

    def __init__(self, beat: Callable[[], None]) -> None:
        """Take the call that tells the store this stage is alive."""
        self._beat = beat
        self._renew: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self.lost = threading.Event()

    def tick(self) -> None:
        """Renew once; a busy store is tried again at the next beat, long before the lease ends."""
        try:
            self._beat()
            with self._lock:
                if self._renew:
                    self._renew()
        except StoreUnavailable as error:
            log.warning("heartbeat.missed", error=str(error))

    def run(self, after_s: Callable[[], float], stop: threading.Event) -> None:
        """Beat until told to stop; the wait does not follow a clock that may be set back."""
        while not stop.wait(after_s()):
            self.tick()

    @contextlib.contextmanager
    def holding(self, renew: Callable[[], None]) -> Iterator[None]:
        """Keep a claim alive while the work on it goes on.

        The heartbeat speaks of it in the context of whoever holds it, so that its log lines, too,
        say which job they are about.
        """

        def renew_or_tell() -> None:
            try:
                renew()
            except LeaseLost:
                log.warning("lease.lost")
                self.lost.set()

        self.lost.clear()
        with self._lock:
            self._renew = partial(contextvars.copy_context().run, renew_or_tell)
        try:
            yield
        finally:
            with self._lock:
                self._renew = None
