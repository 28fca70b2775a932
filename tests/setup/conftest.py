"""A small repository, its hub, and what the command makes of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import repositories
from hub_server import Hub
from setting_up import Done, Run, run_with


@pytest.fixture(scope="session")
def repository(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repositories.make(tmp_path_factory.mktemp("hub") / "repository", embedded)


@pytest.fixture
def hub(repository: Path, embedded: Path) -> Iterator[Hub]:
    with Hub(repository, embedded / "transformer") as hub:
        yield hub


@pytest.fixture
def run(hub: Hub) -> Run:
    """Run the command against the hub, and answer how it went."""

    def start(*words: object, **env: str) -> Done:
        return run_with(hub.url, *words, **env)

    return start


@pytest.fixture(scope="session")
def brought(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as the command brings it; not to be touched."""
    folder = tmp_path_factory.mktemp("brought") / "checkpoint"
    with Hub(repository) as hub:
        done = run_with(hub.url, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def whole(brought: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(brought, tmp_path / "checkpoint")
