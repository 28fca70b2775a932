"""The doctor looks at the job store without changing it: either kind, sound and not."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from jobstore.settings import SQLITE
from jobstore.store import Store
from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from local.running import free_ports

Look = Callable[..., Finding]


@pytest.fixture
def file(data_dir: Path) -> Path:
    data_dir.mkdir()
    Store.open(f"{SQLITE}{data_dir / 'jobs.db'}", data_dir / "wake").close()
    return data_dir / "jobs.db"


def test_a_sound_store_of_either_kind(look: Look, url: str, tmp_path: Path) -> None:
    Store.open(url, tmp_path / "wake").close()
    for machine in (Machine(), Machine(deep=True)):
        found = look("store", machine, DATABASE_URL=url)
        assert found.state is State.OK, found
        assert "SQLite 3." in found.found or "PostgreSQL 18" in found.found


def test_looking_makes_no_store(look: Look, data_dir: Path, empty_url: str) -> None:
    found = look("store", DATABASE_URL=empty_url)
    assert found.state is State.WARN
    assert not (data_dir / "jobs.db").exists()
    assert look("store", DATABASE_URL=empty_url).state is State.WARN


def test_a_store_that_another_version_made_is_told(look: Look, file: Path) -> None:
    with closing(dbapi2.connect(str(file))) as connection:
        connection.execute("DELETE FROM migrations WHERE number > 2")
        connection.commit()
        assert look("store").state is State.WARN
        connection.execute("INSERT INTO migrations VALUES (99, '0099_later', 0)")
        connection.commit()
    found = look("store")
    assert found.state is State.FAIL
    assert "newer" in found.found


def test_damage_is_told(look: Look, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 * 3 + 8 : 4096 * 12] = b"\xff" * (4096 * 9 - 8)
    file.write_bytes(content)
    found = look("store")
    assert found.state is State.FAIL
    assert "restore" in found.mend


def test_what_is_no_store_and_who_is_no_server(look: Look, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "jobs.db").write_text("something else, which is no database at all")
    assert look("store").state is State.FAIL
    (nobody,) = free_ports(1)
    away = f"postgresql://127.0.0.1:{nobody}/wan22"
    assert look("store", DATABASE_URL=away).state is State.FAIL
