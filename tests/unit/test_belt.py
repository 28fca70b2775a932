"""Frames pass from one thread to another in order, few at a time; either side ends both."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from runner.render.belt import Belt, BrokenOff
from runner.render.decode import Frames


def piece(number: int) -> Frames:
    return np.full((1, 2, 2, 3), number, np.uint8)


def test_all_pieces_come_in_order() -> None:
    belt = Belt(2)
    with ThreadPoolExecutor(1) as other:
        taken = other.submit(lambda: [int(frames[0, 0, 0, 0]) for frames in belt])
        belt.carry(piece(number) for number in range(50))
        assert taken.result() == list(range(50))


def test_the_decoder_does_not_run_ahead() -> None:
    """While nobody takes, no more is made than has room."""
    belt, made, full = Belt(3), [], threading.Event()

    def pieces() -> Iterator[Frames]:
        for number in range(10):
            made.append(number)
            if number == 3:
                full.set()
            yield piece(number)

    with ThreadPoolExecutor(1) as other:
        carried = other.submit(belt.carry, pieces())
        assert full.wait(10)
        assert made == [0, 1, 2, 3], "three wait, the fourth is in hand"
        assert len(list(belt)) == 10
        carried.result()


def test_what_ends_the_decoding_ends_the_writing() -> None:
    belt = Belt()

    def pieces() -> Iterator[Frames]:
        yield piece(0)
        raise KeyError

    with ThreadPoolExecutor(1) as other:
        taken = other.submit(lambda: list(belt))
        with pytest.raises(KeyError):
            belt.carry(pieces())
        assert isinstance(taken.exception(), BrokenOff), "not the error itself: it holds the card"


@pytest.mark.parametrize("most", [1, 8])
def test_what_ends_the_writing_ends_the_decoding(most: int) -> None:
    """Also a decoder that waits for room at that moment."""
    belt = Belt(most)
    with ThreadPoolExecutor(1) as other:
        carried = other.submit(belt.carry, (piece(number) for number in range(10**9)))
        next(iter(belt))
        belt.break_off(OSError("full"))
        with pytest.raises(OSError, match="full"):
            carried.result()
