"""The job store's file database; the only file that knows the SQLite driver.

The driver is `pysqlite3`, which brings its own library: those of common distributions
(3.7.0 to 3.51.2) can corrupt a database in WAL mode that several processes write
(sqlite.org/wal.html, "The WAL-Reset Bug").
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, LifoQueue
from types import MappingProxyType
from typing import Any

import aiosql
from pysqlite3 import dbapi2 as driver

from jobstore.clock import now_ms
from jobstore.errors import StoreRefused, StoreUnavailable

SQL = Path(__file__).parent / "sql"
MIGRATIONS = SQL / "sqlite" / "migrations"
BUSY_S = 10
# The first releases that are safe, per line: sqlite.org/changes.html.
SAFE_LIBRARIES = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
PRAGMAS = MappingProxyType(
    {
        "synchronous": "FULL",  # an acknowledged job survives a power cut
        "foreign_keys": "ON",
        "trusted_schema": "OFF",
        "cell_size_check": "ON",
        "journal_size_limit": str(64 << 20),
    }
)


class Database:
    """A pool of connections to one SQLite file, and the named statements to run on them."""

    def __init__(self, path: Path, library: tuple[int, ...] = driver.sqlite_version_info) -> None:
        """Open the file, made new if need be, and bring its schema up to date.

        Raises:
            StoreRefused: the SQLite library or the database must not be used; says why.
            StoreUnavailable: the file cannot be opened, or is locked by somebody else.
        """
        refuse_unsafe(library)
        self.path = path
        self.queries: Any = aiosql.from_path(SQL, "sqlite3")
        self._idle: LifoQueue[driver.Connection] = LifoQueue()
        migrate(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[driver.Connection]:
        """Lend a connection for single statements; each is a transaction of its own."""
        with as_our_errors(self.path):
            connection = self._take()
            try:
                yield connection
            finally:
                self._idle.put(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[driver.Connection]:
        """Lend a connection inside one write transaction: all of it is kept, or nothing."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection that is not lent."""
        with contextlib.suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _take(self) -> driver.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            return connect(self.path)


def refuse_unsafe(library: tuple[int, ...]) -> None:
    """Refuse a library with the WAL-reset bug.

    Raises:
        StoreRefused: the library is one of the unsafe ones.
    """
    safe = library > SAFE_LIBRARIES[-1] or any(
        library[:2] == first[:2] and library >= first for first in SAFE_LIBRARIES
    )
    if not safe:
        found = ".".join(map(str, library))
        message = f"SQLite {found} can corrupt a shared database; install pysqlite3 0.6.1 or newer."
        raise StoreRefused(message)


def connect(path: Path) -> driver.Connection:
    """Open one connection with every setting that durability and safety need."""
    connection = driver.connect(
        str(path), timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = driver.Row
    switch_to_wal(connection)
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")
    return connection


def switch_to_wal(connection: driver.Connection) -> None:
    """Set WAL mode; the switch does not wait for a lock by itself, so this does."""
    patience = time.monotonic() + BUSY_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except driver.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                message = f"SQLite answers journal mode {mode!r}: the file system cannot do WAL."
                raise StoreRefused(message)
            return


def migrate(database: Database) -> None:
    """Apply, in one transaction, every migration that the database has not had.

    Raises:
        StoreRefused: the database has had a migration that this code does not know.
    """
    files = sorted(MIGRATIONS.glob("*.sql"))
    queries = database.queries
    with database.writing() as connection:
        queries.make_migrations(connection)
        last = queries.last_migration(connection)["number"]
        if last > len(files):
            message = f"{database.path} was made by a newer wan22 (migration {last}): update wan22."
            raise StoreRefused(message)
        for number, file in enumerate(files[last:], start=last + 1):
            for statement in statements(file.read_text(encoding="utf-8")):
                connection.execute(statement)
            queries.record_migration(connection, number=number, name=file.stem, now=now_ms())


def statements(script: str) -> Iterator[str]:
    """Split a script into statements; a trigger, with its inner semicolons, is one of them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if driver.complete_statement(statement):
            yield statement
            statement = ""


@contextlib.contextmanager
def as_our_errors(path: Path) -> Iterator[None]:
    """Turn the driver's errors into ours, by what the catcher can do about them."""
    try:
        yield
    except driver.OperationalError as error:
        message = f"The job store {path} cannot be used right now: {error}."
        raise StoreUnavailable(message) from error
    except driver.DatabaseError as error:
        if isinstance(error, driver.IntegrityError | driver.ProgrammingError):
            raise  # a fault in our code, not in the store
        message = f"The job store {path} is damaged: {error}. Restore a backup."
        raise StoreRefused(message) from error
