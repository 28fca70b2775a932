"""The job store's file database; the only file that knows the SQLite driver.

The driver is `pysqlite3`, which brings its own library: those of common distributions
(3.7.0 to 3.51.2) can corrupt a database in WAL mode that several processes write
(sqlite.org/wal.html, "The WAL-Reset Bug").
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, LifoQueue
from types import MappingProxyType

from pysqlite3 import dbapi2 as driver

from jobstore.database import load_statements, migrate
from jobstore.errors import MoveRefused, StoreFull, StoreRefused, StoreUnavailable
from jobstore.wake import Wake

BUSY_S = 10
CHECKED_BYTES = 64 << 20
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


class SqliteDatabase:
    """A pool of connections to one SQLite file, and the named statements to run on them."""

    def __init__(
        self, path: Path, wake: Wake, library: tuple[int, ...] = driver.sqlite_version_info
    ) -> None:
        """Open the file, made new if need be, and bring its schema up to date.

        Raises:
            StoreRefused: the SQLite library or the database must not be used; says why.
            StoreUnavailable: the file cannot be opened, or is locked by somebody else.
        """
        refuse_unsafe(library)
        self.name = str(path)
        self.queries = load_statements("sqlite", "sqlite3")
        self._path = path
        self._wake = wake
        self._idle: LifoQueue[driver.Connection] = LifoQueue()
        self._look_for_damage()
        migrate(self, "sqlite")

    @contextlib.contextmanager
    def reading(self) -> Iterator[driver.Connection]:
        """Lend a connection for single statements; each is a transaction of its own."""
        with self._as_our_errors():
            connection = self._take()
            try:
                yield connection
            finally:
                self._idle.put(connection)

    @contextlib.contextmanager
    def writing(self, *wakes: str) -> Iterator[driver.Connection]:
        """Lend a connection inside one write transaction; it waits for other writers first."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        for topic in wakes:
            self._wake.ring(topic)

    def run_script(self, connection: driver.Connection, script: str) -> None:
        """Run a script statement by statement: the driver's own way would commit first."""
        for statement in statements(script):
            connection.execute(statement)

    def watch(self, topic: str, call: Callable[[], None], stop: threading.Event) -> None:
        """Call back when a process of this machine has woken the topic."""
        self._wake.watch(topic, call, stop)

    def close(self) -> None:
        """Close every connection that is not lent."""
        with contextlib.suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _look_for_damage(self) -> None:
        """Check a database before it is used; a large one is not read as a whole at each start."""
        if not self._path.exists() or self._path.stat().st_size > CHECKED_BYTES:
            return
        with self.reading() as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            message = f"The job store {self.name} is damaged: {answer}. Restore a backup."
            raise StoreRefused(message)

    def _take(self) -> driver.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            return connect(self._path)

    @contextlib.contextmanager
    def _as_our_errors(self) -> Iterator[None]:
        try:
            yield
        except driver.IntegrityError as error:
            raise MoveRefused(str(error)) from error
        except driver.OperationalError as error:
            message = f"The job store {self.name} cannot be used right now: {error}."
            full = getattr(error, "sqlite_errorcode", None) == driver.SQLITE_FULL
            raise (StoreFull if full else StoreUnavailable)(message) from error
        except driver.ProgrammingError:
            raise  # a fault in our code, not in the store
        except driver.DatabaseError as error:
            message = f"The job store {self.name} is damaged: {error}. Restore a backup."
            raise StoreRefused(message) from error


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


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is at this moment, while others go on writing; checked afterwards.

    Raises:
        StoreRefused: the source is no whole job store.
        StoreUnavailable: it cannot be read right now.
    """
    try:
        with contextlib.closing(driver.connect(f"file:{source}?mode=ro", uri=True)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
            connection.execute("SELECT count(*) FROM migrations")
            connection.execute("VACUUM INTO ?", (str(target),))
        with contextlib.closing(driver.connect(str(target))) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    except driver.DatabaseError as error:
        target.unlink(missing_ok=True)
        message = f"{source} is no job store that can be copied: {error}."
        raise StoreRefused(message) from error
    if answer != "ok":
        target.unlink(missing_ok=True)
        message = f"{source} is damaged: {answer}."
        raise StoreRefused(message)


def look(file: Path, *, whole: bool) -> tuple[str, str, int]:
    """Tell the library's version, what is damaged (empty: nothing), and the last migration.

    Args:
        file: the database; it is only read.
        whole: compare each index with its table as well, which takes longer.

    Raises:
        StoreRefused: it is no job store, or the library must not be used.
        StoreUnavailable: it cannot be read right now.
    """
    refuse_unsafe(driver.sqlite_version_info)
    check = "integrity_check(1)" if whole else "quick_check(1)"
    try:
        with contextlib.closing(driver.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
            (answer,) = connection.execute(f"PRAGMA {check}").fetchone()
            (last,) = connection.execute("SELECT max(number) FROM migrations").fetchone()
    except driver.OperationalError as error:
        message = f"The job store {file} cannot be read: {error}."
        raise StoreUnavailable(message) from error
    except driver.DatabaseError as error:
        message = f"{file} is no job store: {error}."
        raise StoreRefused(message) from error
    return driver.sqlite_version, "" if answer == "ok" else str(answer), int(last or 0)


def job_ids(file: Path) -> set[str]:
    """List every job of a database."""
    with contextlib.closing(driver.connect(str(file))) as connection:
        return {job_id for (job_id,) in connection.execute("SELECT job_id FROM jobs")}


def last_migration(file: Path) -> int:
    """Tell the number of the last migration that a database has had."""
    with contextlib.closing(driver.connect(str(file))) as connection:
        (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
        return int(number)


def statements(script: str) -> Iterator[str]:
    """Split a script into statements; a trigger, with its inner semicolons, is one of them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if driver.complete_statement(statement):
            yield statement
            statement = ""
