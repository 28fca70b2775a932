"""One suite, both databases: every test here runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract_shop import Ask, Shop
from local.postgres import PostgresServer

from jobstore.store import Store


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "server")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the schema in it, for others to be copied from."""
    url = postgres.make()
    Store.open(url, tmp_path_factory.mktemp("wake")).close()
    return url.partition("@/")[2].partition("?")[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.make(template=request.getfixturevalue("migrated"))
    yield url
    server.drop(url)


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    store = Store.open(url, tmp_path / "wake")
    yield store
    store.close()


@pytest.fixture
def shop(store: Store, ask: Ask) -> Shop:
    return Shop(store, ask)


@pytest.fixture(params=[800, pytest.param(5000, marks=pytest.mark.long)])
def many(request: pytest.FixtureRequest) -> int:
    """How many jobs there are where there are many."""
    return int(request.param)
