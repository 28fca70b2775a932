"""The file database is opened safely or not at all."""

import itertools
import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from jobstore.errors import StoreRefused, StoreUnavailable
from jobstore.job import Arrival, Request
from jobstore.sqlite import SqliteDatabase, refuse_unsafe
from jobstore.store import Store
from jobstore.wake import Wake


def open_database(folder: Path, *library: tuple[int, ...]) -> SqliteDatabase:
    return SqliteDatabase(folder / "jobs.db", Wake(folder / "wake"), *library)


@pytest.mark.parametrize("library", [(3, 40, 1), (3, 44, 5), (3, 46, 0), (3, 50, 6), (3, 51, 2)])
def test_a_library_that_can_corrupt_is_refused(library: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="pysqlite3"):
        open_database(tmp_path, library)
    assert not (tmp_path / "jobs.db").exists()


@pytest.mark.parametrize("library", [(3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 53, 4)])
def test_a_mended_library_is_used(library: tuple[int, ...]) -> None:
    refuse_unsafe(library)


def test_every_connection_is_durable(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    with database.reading() as first, database.reading() as second:
        for connection in (first, second):
            for pragma, value in wanted.items():
                assert connection.execute(f"PRAGMA {pragma}").fetchone()[0] == value
    database.close()


def test_a_database_of_a_newer_wan22_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.writing() as connection:
        database.queries.record_migration(connection, number=99, name="later", now=0)
    database.close()
    with pytest.raises(StoreRefused, match="newer wan22"):
        open_database(tmp_path)


def test_what_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_text("these are my notes, keep them" * 100)
    with pytest.raises(StoreRefused, match="Restore a backup"):
        open_database(tmp_path)
    assert path.read_text().startswith("these are my notes")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.reading() as connection:
        before = database.queries.last_migration(connection)["number"]

    def half() -> None:
        with database.writing() as connection:
            database.queries.record_migration(connection, number=before + 1, name="x", now=0)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        half()
    with database.reading() as connection:
        assert database.queries.last_migration(connection)["number"] == before
    database.close()


def test_a_locked_database_is_unavailable_not_broken(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    other = driver.connect(str(tmp_path / "jobs.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with database.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 20")
    with pytest.raises(StoreUnavailable, match="locked"), database.writing():
        pass
    other.execute("ROLLBACK")
    with database.writing():
        pass
    database.close()
    other.close()


def open_and_close(folder: Path) -> None:
    open_database(folder).close()


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    starts = [spawned.Process(target=open_and_close, args=(tmp_path,)) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    assert [start.exitcode for start in starts] == [0, 0, 0, 0]


def test_a_damaged_database_is_refused_at_the_start(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.writing() as connection:
        connection.execute("CREATE TABLE filler (it TEXT)")
        connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 3000,)] * 50)
    database.close()
    content = bytearray((tmp_path / "jobs.db").read_bytes())
    middle = len(content) // 4096 // 2 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    (tmp_path / "jobs.db").write_bytes(content)
    with pytest.raises(StoreRefused, match="Restore a backup"):
        open_database(tmp_path)


@pytest.fixture
def shop(tmp_path: Path, ask: Callable[..., Request]) -> Iterator[Callable[[int], int]]:
    """Accept some jobs; answers how many were, before the database refused one."""
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path / "wake")
    numbers = itertools.count()

    def accept(count: int) -> int:
        for done in range(count):
            try:
                store.jobs.accept(Arrival(f"J{next(numbers)}", ask(), "test", "main"), 1000)
            except StoreUnavailable:
                return done
        return count

    yield accept
    store.close()


def test_the_log_of_writes_does_not_grow_behind_a_long_reader(
    tmp_path: Path, shop: Callable[[int], int]
) -> None:
    """It grows while the reader is there, is used anew afterwards, and stays below its limit."""
    wal = tmp_path / "jobs.db-wal"
    assert shop(10) == 10
    reader = driver.connect(str(tmp_path / "jobs.db"), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM jobs").fetchone()
    shop(600)
    grown = wal.stat().st_size
    reader.execute("COMMIT")
    reader.close()
    shop(600)
    assert wal.stat().st_size <= grown + (4 << 20), "a thousand pages, after which it starts anew"


def test_a_full_disk_refuses_loses_nothing_and_goes_on(
    tmp_path: Path, shop: Callable[[int], int]
) -> None:
    """No file of this process may grow: every write meets the error that a full disk gives."""
    assert shop(20) == 20
    grown = max(file.stat().st_size for file in tmp_path.glob("jobs.db*"))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (grown + 65_536, limit[1]))
    try:
        accepted = shop(500)
        assert accepted < 500
        assert shop(5) == 0, "it stays refused while there is no room"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert shop(10) == 10
    with driver.connect(str(tmp_path / "jobs.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    assert (count, answer) == (20 + accepted + 10, "ok")
