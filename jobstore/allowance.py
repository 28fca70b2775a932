"""What one fetch may still take: seconds, and bytes from the wire."""

import time
from collections.abc import Callable

from jobstore.errors import FetchRefused

Clock = Callable[[], float]


class Allowance:
    """The seconds and the bytes that are left to a fetch; whoever waits or reads asks here."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        """Begin; nothing may be read until it is allowed."""
        self._clock = clock
        self._end = clock() + seconds
        self._left_bytes = 0

    def seconds(self) -> float:
        """Tell how long the next wait may last.

        Raises:
            FetchRefused: the time is over.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise FetchRefused("slow")
        return left

    def allow(self, size_bytes: int) -> None:
        """Set how many bytes may be read from here on."""
        self._left_bytes = size_bytes

    def bytes(self, most: int) -> int:
        """Tell how many bytes the next read may ask for, of the `most` that it would.

        Raises:
            FetchRefused: there are none left.
        """
        if self._left_bytes <= 0:
            raise FetchRefused("large")
        return min(most, self._left_bytes)

    def spend(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        self._left_bytes -= size_bytes
