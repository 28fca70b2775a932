"""Whether a result may be published: numbers, pictures and file are looked at while they are made.

Only what is surely broken is caught. A dull video, or one that misses its prompt, is still a video;
somebody who starts from a black picture and asks for no motion gets nearly that, and is not blamed.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray

BLACK, FLAT, STILL = 4, 1, 0
"""Of 255: what is no brighter is black, what spreads no further is flat, what changes no more is
frozen; each counts only if it holds for the whole video.

Source:
    Measured on the embedded model, 17 frames of 128x128. The least of 60 good clips: brightest
    179, spread 110, change 101. The least of plain pictures of nine grays that "stay", and of a
    prompt of unknown words: brightest 14 (of a black picture), spread 3 and change 1 (of one gray
    picture, whose video is right to be so). Broken decoders: NaN is 0 everywhere once it is a byte,
    a last layer of zeros spreads by 0, one that answers the same again changes by 0. Not caught,
    since a plain gray picture looks alike: a first layer, or latents, of zeros (spread 5 and 4).
"""

GRID = 64  # points along the shorter side: 0.2 ms for a frame of 1280x704
PERIOD = 4  # frames of one latent frame: these differ among themselves even where nothing moves


class Reason(StrEnum):
    """What can be wrong with a result."""

    NOT_FINITE = "not_finite"
    BLACK = "black"
    FLAT = "flat"
    FROZEN = "frozen"
    OTHER_VIDEO = "other_video"
    UNREADABLE = "unreadable"


class Rejected(Exception):
    """A result must not be published: render it once more in the safe mode, then give it up."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Name what is wrong, and say it in a sentence."""
        super().__init__(message)
        self.reason = reason


def check_finite(numbers: torch.Tensor, name: str) -> None:
    """Look for NaN and infinity, from which no picture can come; shapes without data have none.

    Raises:
        Rejected: there are some; `name` is told in its message.
    """
    if not (numbers.is_meta or bool(torch.isfinite(numbers).all())):
        raise Rejected(Reason.NOT_FINITE, f"The {name} hold numbers that are none (NaN, infinity).")


class Eye:
    """Looks at the frames of one video as they pass, on a grid, and remembers a few numbers."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.brightest = 0
        self.spread = 0
        self._changes: list[int] = []
        self._before: deque[NDArray[np.int16]] = deque(maxlen=PERIOD)

    def see(self, piece: NDArray[np.uint8]) -> None:
        """Look at the next frames: uint8 pixels, shape (frame, height, width, channel=3)."""
        apart = max(1, min(piece.shape[1:3]) // GRID)
        for points in piece[:, apart // 2 :: apart, apart // 2 :: apart].astype(np.int16):
            self.brightest = max(self.brightest, int(points.max()))
            self.spread = max(self.spread, int(np.ptp(points, axis=(0, 1)).max()))
            if len(self._before) == PERIOD:
                self._changes.append(int(np.abs(points - self._before[0]).max()))
            self._before.append(points)

    @property
    def change(self) -> int | None:
        """The largest change of a point from one frame to the fourth after it; None if too few.

        The very first frame is left out where there are others: it is decoded alone, and may be the
        given picture.
        """
        return max(self._changes[1:] or self._changes, default=None)

    def judge(self) -> None:
        """Judge what was seen.

        Raises:
            Rejected: it was black, flat or frozen, from the first frame to the last.
        """
        if self.brightest <= BLACK:
            message = f"The video is black: nothing in it is brighter than {self.brightest} of 255."
            raise Rejected(Reason.BLACK, message)
        if self.spread <= FLAT:
            message = f"The video is flat: its frames spread over {self.spread} of 255 at most."
            raise Rejected(Reason.FLAT, message)
        if self.change is not None and self.change <= STILL:
            message = f"The video is frozen: no point of it changes by more than {self.change}."
            raise Rejected(Reason.FROZEN, message)


def watched(pieces: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Hand pieces of a video on, and judge them when the last has gone.

    Raises:
        Rejected: in the place of the end; the file that was made of them is to be thrown away.
    """
    eye = Eye()
    for piece in pieces:
        eye.see(piece)
        yield piece
    eye.judge()
