"""The heartbeat: renews what this process holds, and says that the stage is alive."""

import contextvars
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from structlog.stdlib import get_logger

from jobstore.errors import LeaseLost, StoreUnavailable

log = get_logger()


class Hold:
    """A claim that is kept alive until it is let go, at the latest at the end of a `with`."""

    def __init__(self, renew: Callable[[], None]) -> None:
        """Keep a claim alive by a call that raises `LeaseLost` when it does not stand any more.

        The call is made in the context of whoever takes hold, so that its log lines, too, say which
        job they are about.
        """
        self.lost = threading.Event()
        self._renew: Callable[[], None] | None = renew
        self._in_context = contextvars.copy_context()
        self._lock = threading.Lock()

    def renew(self) -> bool:
        """Renew once; answers whether there is anything left to renew."""
        with self._lock:
            if self._renew:
                self._in_context.run(self._renew_or_tell, self._renew)
            return self._renew is not None

    def _renew_or_tell(self, renew: Callable[[], None]) -> None:
        try:
            renew()
        except LeaseLost:
            log.warning("lease.lost")
            self.lost.set()
            self._renew = None

    def let_go(self) -> None:
        """Renew no more, from now on."""
        with self._lock:
            self._renew = None

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Let it go."""
        self.let_go()


class Heartbeat:
    """What is held at the moment, if anything."""

    def __init__(self, beat: Callable[[], None]) -> None:
        """Take the call that tells the store this stage is alive."""
        self._beat = beat
        self._holds: list[Hold] = []
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Renew once; a busy store is tried again at the next beat, long before the lease ends."""
        try:
            self._beat()
            with self._lock:
                holds = list(self._holds)
            over = [hold for hold in holds if not hold.renew()]
            with self._lock:
                self._holds = [hold for hold in self._holds if hold not in over]
        except StoreUnavailable as error:
            log.warning("heartbeat.missed", error=str(error))

    def run(
        self, after_s: Callable[[], float], stop: threading.Event, then: Callable[[], None]
    ) -> None:
        """Beat until told to stop; the wait does not follow a clock that may be set back.

        After each beat `then` is called, in the same thread.
        """
        while not stop.wait(after_s()):
            self.tick()
            then()

    def hold(self, renew: Callable[[], None]) -> Hold:
        """Keep a claim alive while the work on it goes on, in whichever thread that is."""
        hold = Hold(renew)
        with self._lock:
            self._holds.append(hold)
        return hold
