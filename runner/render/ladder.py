"""When the card has no memory left for decoding: the next, smaller way, until one fits."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from enum import StrEnum

import torch
from structlog.stdlib import get_logger

from runner.render.decode import Bands
from runner.render.model import Model

log = get_logger()

WHOLE_PIXELS = 704 * 768  # of a frame that is decoded as one: a band of the largest frame
OVERLAP = 128
NARROW = Bands(384, 320)


class Rung(StrEnum):
    """The ways to decode, the fastest first."""

    WIDE = "wide"
    NARROW = "narrow"
    ALONE = "alone"


def bands(rung: Rung, height: int, width: int) -> Bands:
    """Cut a frame of so many pixels: in two, or not at all, or into narrow bands.

    Source:
        Counted as `bin/bench vram` does: a frame of 1280x704 cut in two needs 5.5 GiB in place of
        9.1 and computes 10 % more pixels, those that overlap. Narrow bands: 2.8 GiB and 15 %.
    """
    length = max(height, width)
    if rung is not Rung.WIDE:
        return NARROW
    if height * width <= WHOLE_PIXELS:
        return Bands(length, length)
    return Bands(length // 2 + OVERLAP, length // 2)


def descend(
    model: Model,
    height: int,
    width: int,
    decode: Callable[[Bands], None],
    rungs: Iterable[Rung] = Rung,
) -> Rung:
    """Decode, each time with less memory when the time before ran out of it.

    Args:
        model: whose transformer steps aside on the last rung.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        decode: called with the cut to use, and again from the beginning after it ran out of memory.
        rungs: at least one; the first is tried first.

    Returns:
        The rung that had enough.

    Raises:
        torch.OutOfMemoryError: not even the last one had.
    """
    failed = torch.OutOfMemoryError()
    for rung in rungs:
        torch.cuda.empty_cache()
        with model.transformer_aside() if rung is Rung.ALONE else nullcontext():
            try:
                decode(bands(rung, height, width))
            except torch.OutOfMemoryError as error:
                # Its traceback holds the frames of the functions, and these what they allocated.
                failed = error.with_traceback(None)
            else:
                return rung
        log.warning("decode.overflowed", rung=rung, error=str(failed))
    raise failed
