"""Two that do the same work in turns, A B A B, so that whatever else the machine does hits both."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Work = Callable[[int], object]

WARM_UP = 50
TURN = 20  # items until it is the turn of the other
LEAST, MOST = 20, 50_000  # items for one figure


@dataclass(frozen=True)
class Spread:
    """A median, with the least and the most it was taken from."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Take it from values, at least one."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Pairs:
    """How many items per second each side did, turn by turn; `a[i]` and `b[i]` are one pair."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def rate_ratio(self) -> Spread:
        """How many times as fast A is as B."""
        return Spread.of([mine / other for mine, other in zip(self.a, self.b, strict=True)])

    @property
    def cost_ratio(self) -> Spread:
        """How many times the time of B an item takes at A."""
        return Spread.of([other / mine for mine, other in zip(self.a, self.b, strict=True)])


def time_s(work: Work, count: int) -> float:
    """Do `count` items; answers how long it took, in seconds."""
    began = time.perf_counter()
    work(count)
    return time.perf_counter() - began


def fitting(works: Sequence[Work], count: int | None, aim_s: float = 1.0) -> int:
    """Warm everything up, and choose how many items all of them together do in `aim_s`."""
    cost_s = sum(time_s(work, WARM_UP) for work in works) / WARM_UP
    return count or min(MOST, max(LEAST, int(aim_s / cost_s)))


def pair(mine: Work, other: Work, count: int) -> tuple[float, float]:
    """Let both do `count` items in short turns; answers their rates, items per second.

    A busy disk is slow for longer than a turn takes, so both get their share of it.
    """
    spent, spent_by_other = 0.0, 0.0
    for first in range(0, count, TURN):
        items = min(TURN, count - first)
        spent += time_s(mine, items)
        spent_by_other += time_s(other, items)
    return count / spent, count / spent_by_other


def turns(a: Sequence[Work], b: Sequence[Work], pairs: int, count: int) -> Iterator[Pairs]:
    """Let A and B take turns at each kind of work; answers one `Pairs` per kind, in that order.

    Args:
        a: the kinds of work of A; each leaves what the next one needs.
        b: the same kinds of work, of B.
        pairs: how many figures to take of each.
        count: items that each side does for one figure.
    """
    rates: list[list[tuple[float, float]]] = [[] for _ in a]
    for _ in range(pairs):
        for kind, (mine, other) in enumerate(zip(a, b, strict=True)):
            rates[kind].append(pair(mine, other, count))
    for both in rates:
        yield Pairs(*zip(*both, strict=True))
