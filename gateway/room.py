"""Room for work that blocks: so much of it at a time, and a queue where nobody stands too long."""

import contextlib

import anyio
from anyio import CancelScope, CapacityLimiter

from jobstore.errors import StoreUnavailable

QUEUE_S = 10  # how long a request waits for others before it is told to come back


class Room:
    """Room for so many at a time; every `enter` is followed by a `leave`."""

    def __init__(self, most: int) -> None:
        """Have room for `most`."""
        self.limiter = CapacityLimiter(most)
        self._queue: set[CancelScope] = set()

    async def enter(self) -> None:
        """Wait until there is room.

        Raises:
            StoreUnavailable: there was none in time, or those who wait were sent home.
        """
        with contextlib.suppress(anyio.WouldBlock):
            self.limiter.acquire_nowait()
            return
        entered = False
        with anyio.move_on_after(QUEUE_S) as queued:
            self._queue.add(queued)
            try:
                await self.limiter.acquire()
                entered = True
            finally:
                self._queue.discard(queued)
        if queued.cancel_called:
            if entered:
                self.limiter.release()
            raise StoreUnavailable

    def leave(self) -> None:
        """Make room for the next."""
        self.limiter.release()

    def send_home(self) -> None:
        """Send all home who wait: what they wait for would fail, after as long again."""
        for queued in self._queue:
            queued.cancel()
