"""Somebody else, who gets in between what one process reads and what it then writes."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from jobstore.database import Database


class Interrupted:
    """A real database; before each write, somebody else makes a move on it."""

    def __init__(self, database: Database, somebody: Callable[[], object]) -> None:
        self.name, self.queries = database.name, database.queries
        self._database, self._somebody = database, somebody

    def reading(self) -> AbstractContextManager[Any]:
        return self._database.reading()

    @contextlib.contextmanager
    def writing(self, *wakes: str) -> Iterator[Any]:
        self._somebody()
        with self._database.writing(*wakes) as connection:
            yield connection

    def run_script(self, connection: Any, script: str) -> None:
        self._database.run_script(connection, script)

    def watch(self, topic: str, call: Callable[[], None], stop: threading.Event) -> None:
        self._database.watch(topic, call, stop)

    def close(self) -> None:
        self._database.close()
