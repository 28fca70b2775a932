"""Threads that pay: a few for each kind of what is owed, so that none waits for another kind."""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from jobstore.job import Kind

WIDTHS: Mapping[Kind, int] = MappingProxyType({Kind.VIDEO: 3, Kind.REMOVAL: 1, Kind.WEBHOOK: 4})


class Lanes:
    """Who pays at the moment."""

    def __init__(self, done: Callable[[], None]) -> None:
        """Call `done` whenever somebody has paid, so that the place is taken by the next."""
        self._done = done
        self._lock = threading.Lock()
        self._busy: dict[Kind, set[threading.Thread]] = {kind: set() for kind in Kind}

    def free(self) -> list[Kind]:
        """List the kinds that can be paid now."""
        with self._lock:
            return [kind for kind in Kind if len(self._busy[kind]) < WIDTHS[kind]]

    def start(self, kind: Kind, pay: Callable[[], None]) -> None:
        """Pay in a thread of its own."""

        def run() -> None:
            try:
                pay()
            finally:
                with self._lock:
                    self._busy[kind].discard(threading.current_thread())
                self._done()

        thread = threading.Thread(target=run, name=f"deliver-{kind}", daemon=True)
        with self._lock:
            self._busy[kind].add(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until all have paid."""
        with self._lock:
            threads = [thread for busy in self._busy.values() for thread in busy]
        for thread in threads:
            thread.join()
