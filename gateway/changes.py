"""Answers that wait until a job changes: woken by the job store, bounded in number, no threads."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from jobstore.database import Database

# Answers that wait at one time: each takes 40 KiB, a descriptor of the 1024 that a process has by
# default, and a look at its job, about a millisecond, whenever any job changes. Fewer than the
# requests of `gateway.patience`, so that some are left for those who do not wait.
PLACES = 220
PACE_S = 0.1  # those who wait are woken at most so often, however fast the renders go


class Changes:
    """Wakes all who wait when some job has changed; a wake-up is a hint, and may be lost."""

    def __init__(self, places: int = PLACES) -> None:
        """Have room for so many who wait; nobody is woken before `followed`."""
        self.over = False
        self._free = places
        self._upcoming = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def followed(self, database: Database) -> Iterator[None]:
        """Hear of the changes of a store, as long as the application runs; called in its loop."""
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def call() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._ring_soon, loop)

        database.watch("changes", call, stop)
        try:
            yield
        finally:
            stop.set()

    def upcoming(self) -> asyncio.Event:
        """Take hold of the next change, before looking how things are now."""
        return self._upcoming

    @staticmethod
    async def wait(upcoming: asyncio.Event, at_most_s: float) -> None:
        """Wait for a change, or for so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(upcoming.wait(), at_most_s)

    @contextlib.contextmanager
    def place(self) -> Iterator[bool]:
        """Take one of the places, if one is free; tells whether."""
        free = self._free > 0 and not self.over
        self._free -= free
        try:
            yield free
        finally:
            self._free += free

    def end(self) -> None:
        """Send all who wait home: the gateway stops."""
        self.over = True
        self._ring()

    def _ring_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._due is None:
            self._due = loop.call_later(PACE_S, self._ring)

    def _ring(self) -> None:
        self._due = None
        rung, self._upcoming = self._upcoming, asyncio.Event()
        rung.set()
