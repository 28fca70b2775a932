"""The file database is opened safely or not at all."""

import multiprocessing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from jobstore.errors import StoreRefused, StoreUnavailable
from jobstore.sqlite import SqliteDatabase, refuse_unsafe
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

    def half() -> None:
        with database.writing() as connection:
            database.queries.record_migration(connection, number=7, name="x", now=0)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        half()
    with database.reading() as connection:
        assert database.queries.last_migration(connection)["number"] == 1
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
