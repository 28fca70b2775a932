"""What several unit tests stand on."""

import itertools
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from jobstore.abilities import Abilities
from jobstore.job import Arrival, Job, Request
from jobstore.store import Store
from runner.render.model import Model, load

Claim = Callable[..., Job]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whoever certifies the servers of the tests."""
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs that trusts this authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def model(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The embedded model, loaded; of each test module its own."""
    return load(embedded, Abilities.read(embedded), tmp_path_factory.mktemp("embeddings"))


@pytest.fixture
def claim(store: Store) -> Claim:
    """Make the claim of a new job; any of its facts can be others."""

    numbers = itertools.count(1)

    def make(request: Request, **facts: Any) -> Job:
        store.jobs.accept(Arrival(f"J{next(numbers)}", request, "test", "main"), 1000)
        job = store.jobs.claim("A", "H", 60_000, 2000)
        assert job
        return replace(job, **facts)

    return make
