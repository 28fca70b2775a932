"""One suite, both databases: every test here runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_shop import Ask, Shop
from jobstore.store import Store


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
