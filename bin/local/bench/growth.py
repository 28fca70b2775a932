"""What a long history costs: the same store with few and with very many finished jobs, in turns."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from jobstore.job import Job
from local.bench.history import job_id, write_history
from local.bench.ours import Ours, on_sqlite
from local.bench.pairs import Pairs, Work, fitting, turns

FEW, MANY = 1_000, 1_000_000
READS = 20  # questions in place of one: a single one is too short to measure
MOST = 200  # jobs for one figure: counting a position takes longer the more jobs wait


class Aged:
    """One store with a history; each kind of work leaves what the next one needs."""

    def __init__(self, ours: Ours, history: int) -> None:
        """Measure a store that is open and has `history` finished jobs."""
        self._ours = ours
        self._views = ours.store.views
        self._history = history
        self._waiting: deque[str] = deque()
        self._claimed: deque[Job] = deque()
        self._random = random.Random(7)
        self.works: dict[str, Work] = {
            "accept": self.accept,
            "status": self.status,
            "position": self.position,
            "status of any old job": self.status_of_old,
            "claim": self.claim,
            "finish": self.finish,
        }

    def accept(self, count: int) -> None:
        """Accept jobs."""
        for _ in range(count):
            self._waiting.append(self._ours.take_in().job_id)

    def status(self, count: int) -> None:
        """Ask for jobs that wait, as the gateway does: the job, then its position."""
        for waiting in self._next(count):
            self._views.find(waiting)
            self._views.position(waiting)

    def position(self, count: int) -> None:
        """Ask for the positions alone."""
        for waiting in self._next(count):
            self._views.position(waiting)

    def status_of_old(self, count: int) -> None:
        """Ask for jobs from anywhere in the history; most of it is in no cache."""
        for _ in range(count * READS):
            self._views.find(job_id(self._random.randint(1, self._history)))

    def claim(self, count: int) -> None:
        """Claim the jobs."""
        self._waiting.clear()
        self._claimed.extend(self._ours.claim() for _ in range(count))

    def finish(self, count: int) -> None:
        """Finish the jobs."""
        for _ in range(count):
            self._ours.complete(self._claimed.popleft())

    def _next(self, count: int) -> Iterator[str]:
        for _ in range(count * READS):
            self._waiting.rotate(-1)
            yield self._waiting[0]


def grown(folder: Path, pairs: int, say: Callable[[str], None]) -> Iterator[tuple[str, Pairs]]:
    """Compare the store with a long history (A) to the one with a short history (B)."""
    with ExitStack() as stack:
        stores = []
        for history in (MANY, FEW):
            say(f"writing a history of {history:,} jobs ...")
            home = folder / f"history-{history}"
            home.mkdir()
            with on_sqlite(home):
                pass
            write_history(home / "jobs.db", history)
            stores.append(Aged(stack.enter_context(on_sqlite(home)), history))
        many, few = (list(store.works.values()) for store in stores)
        say("accept, ask, claim in turns ...")
        count = min(MOST, fitting([rounds(many), rounds(few)], None))
        yield from zip(stores[0].works, turns(many, few, pairs, count), strict=True)


def rounds(works: list[Work]) -> Work:
    """Make one work of all kinds, one after the other."""

    def do_all(count: int) -> None:
        for work in works:
            work(count)

    return do_all
