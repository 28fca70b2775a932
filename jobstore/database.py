"""What the job store asks of a database, and bringing its schema up to date."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import aiosql

from jobstore.clock import now_ms
from jobstore.errors import StoreRefused
from jobstore.failpoints import failpoint

SQL = Path(__file__).parent / "sql"


class Database(Protocol):
    """A database: connections for reading and writing, named statements, wake-ups."""

    name: str
    queries: Any

    def reading(self) -> AbstractContextManager[Any]:
        """Lend a connection for single statements; each is a transaction of its own."""

    def writing(self, *wakes: str) -> AbstractContextManager[Any]:
        """Lend a connection inside one transaction: all of it is kept, or nothing.

        Once it is kept, whoever watches one of the topics `wakes` is woken.
        """

    def run_script(self, connection: Any, script: str) -> None:
        """Run the statements of a migration, inside the transaction of the connection."""

    def watch(self, topic: str, call: Callable[[], None], stop: threading.Event) -> None:
        """Call back, in a thread of its own, when a commit has woken the topic."""

    def close(self) -> None:
        """Close every connection that is not lent."""


def load_statements(dialect: str, adapter: str) -> Any:
    """Load the named statements: those both databases share, and those of one dialect."""
    files = [*sorted(SQL.glob("*.sql")), *sorted((SQL / dialect).glob("*.sql"))]
    script = "\n\n".join(file.read_text(encoding="utf-8") for file in files)
    return aiosql.from_str(script, adapter)


def migrate(database: Database, dialect: str) -> None:
    """Apply every migration that the database has not had, each in a transaction of its own.

    Raises:
        StoreRefused: the database has had a migration that this code does not know.
    """
    files = migrations(dialect)
    while _migrate_once(database, files):
        pass


def migrations(dialect: str) -> list[Path]:
    """List the migrations that this code knows, in their order."""
    return sorted((SQL / dialect / "migrations").glob("*.sql"))


def _migrate_once(database: Database, files: list[Path]) -> bool:
    queries = database.queries
    with database.writing() as connection:
        queries.lock_migrations(connection)
        queries.make_migrations(connection)
        last = queries.last_migration(connection)["number"]
        if last > len(files):
            message = f"{database.name} was made by a newer wan22 (migration {last}): update wan22."
            raise StoreRefused(message)
        if last == len(files):
            return False
        file = files[last]
        database.run_script(connection, file.read_text(encoding="utf-8"))
        failpoint("migrate.applied")
        queries.record_migration(connection, number=last + 1, name=file.stem, now=now_ms())
        failpoint("migrate.recorded")
    failpoint("migrate.committed")
    return True
