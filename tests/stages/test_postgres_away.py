"""A PostgreSQL that cuts its connections, goes away, or is killed: told so, and on it goes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from jobstore.errors import StoreUnavailable
from jobstore.job import Arrival, Request
from jobstore.store import Store
from local.postgres import PostgresServer

Ask = Callable[..., Request]
Answer = TypeVar("Answer")
CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def url(postgres: PostgresServer, migrated: str) -> Iterator[str]:
    url = postgres.make(template=migrated)
    yield url
    postgres.drop(url)


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    store = Store.open(url, tmp_path)
    yield store
    store.close()


def accept(store: Store, ask: Ask, job_id: str) -> None:
    store.jobs.accept(Arrival(job_id, ask(), "test", "main", job_id, "hash"), 1000)


def insist(call: Callable[[], Answer], patience_s: float = 60) -> Answer:
    """Call until the server is there; what was done already is not done again."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < deadline


def test_connections_that_were_cut_are_made_anew(store: Store, url: str, ask: Ask) -> None:
    accept(store, ask, "J1")
    with psycopg.connect(url) as other:
        assert other.execute(CUT).rowcount > 0
    time.sleep(0.1)
    accept(store, ask, "J2")
    assert store.views.position("J2") == 2


def test_while_it_takes_nobody_in_the_store_says_so(store: Store, url: str, ask: Ask) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    elsewhere = url.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(elsewhere, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        other.execute(CUT.replace("current_database()", f"'{name}'").encode())
        time.sleep(0.1)
        with pytest.raises(StoreUnavailable, match="cannot be used right now"):
            accept(store, ask, "J1")
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    accept(store, ask, "J1")
    assert store.views.position("J1") == 1


def test_a_server_that_crashed_has_what_was_acknowledged(tmp_path: Path, ask: Ask) -> None:
    """Killing one of its processes makes PostgreSQL drop everything and recover from its log."""
    server = PostgresServer(tmp_path / "server")
    url = server.make()
    store = Store.open(url, tmp_path)
    try:
        for number in range(20):
            accept(store, ask, f"J{number}")
        with psycopg.connect(url) as other:
            os.kill(other.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                other.execute("SELECT 1")
        insist(lambda: accept(store, ask, "J20"))
        found = insist(lambda: store.views.page(30))
        assert [job.job_id for job in found] == [f"J{n}" for n in range(20, -1, -1)]
    finally:
        store.close()
        server.stop()
