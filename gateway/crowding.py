"""How much may wait, in all and of one key; what is too much is told so that it can come again."""

import contextlib
from collections.abc import Iterator

from gateway.parts import Parts
from gateway.problems import Problem
from jobstore.errors import KeyBusy, KeyQueueFull, QueueFull
from jobstore.job import Limits
from jobstore.keys import MAIN

LATER = {"Retry-After": "30"}  # a render of the 5B takes minutes, but several may end


def limits_of(parts: Parts, key_id: str) -> Limits:
    """Find the limits of a key; that of the settings has only those of the whole queue."""
    given = parts.settings
    if key_id == MAIN:
        return Limits(given.queued_most)
    return Limits(given.queued_most, given.key_queued_most, given.key_running_most)


@contextlib.contextmanager
def too_much_told() -> Iterator[None]:
    """Tell a caller whose job is one too many what is full.

    Raises:
        Problem: `queue_full`, `key_queue_full` or `key_busy`.
    """
    try:
        yield
    except KeyQueueFull as error:
        message = "As many jobs of this key wait as may; send this one again later."
        raise Problem.of("key_queue_full", message, headers=LATER) from error
    except KeyBusy as error:
        message = "As many jobs of this key are being rendered as may; send this one again later."
        raise Problem.of("key_busy", message, headers=LATER) from error
    except QueueFull as error:
        message = "As many jobs wait as may; send this one again later."
        raise Problem.of("queue_full", message, headers=LATER) from error
