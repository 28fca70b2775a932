"""Whether memory stays flat: what a process held in the end, against what it held before."""

from collections.abc import Sequence
from statistics import median


def growth_bytes(samples: Sequence[int]) -> float:
    """Tell by how much the last third lies above the second; the first one was the warm-up.

    Of each the median: peaks come and go with what is rendered at the moment.
    """
    third = len(samples) // 3
    return median(samples[-third:]) - median(samples[-2 * third : -third])
