"""Frames on their way from the thread that decodes them to the one that writes them, few at a time.

The card goes on decoding while the processor encodes, and neither gets far ahead of the other.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from runner.render.decode import Frames

PIECES = 8  # of four frames each: 87 MB at 1280x704


class BrokenOff(Exception):
    """There will be no more frames: the other side says why."""


class Belt:
    """One way, from one thread to another, used once. Either side may break it off for both."""

    def __init__(self, most: int = PIECES) -> None:
        """Let so many pieces wait."""
        self._most = most
        self._waiting: deque[Frames] = deque()
        self._fault: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()

    def carry(self, pieces: Iterable[Frames]) -> None:
        """Put pieces on as there is room, to their end.

        What ends them early breaks the belt off. It is not handed on itself: with its traceback it
        would keep alive what the decoder held, on the card too.
        """
        try:
            for piece in pieces:
                self._put(piece)
        except BaseException:
            self.break_off(BrokenOff())
            raise
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, piece: Frames) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._most or self._fault)
            if self._fault:
                raise self._fault
            self._waiting.append(piece)
            self._changed.notify()

    def break_off(self, fault: BaseException) -> None:
        """End the belt for both sides: whoever puts or takes next meets the fault."""
        with self._changed:
            self._fault = self._fault or fault
            self._changed.notify()

    def __iter__(self) -> Iterator[Frames]:
        """Take the pieces, waiting for them, to their end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._fault)
                if self._fault:
                    raise self._fault
                if not self._waiting:
                    return
                piece = self._waiting.popleft()
                self._changed.notify()
            yield piece
