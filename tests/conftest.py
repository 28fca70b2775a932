"""What many tests stand on: a store, a request, the embedded model, a running S3 server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from canaries import leaks
from jobstore.job import Request
from jobstore.settings import EMBEDDED_MODEL, Settings, read
from jobstore.store import Store
from local.postgres import PostgresServer
from local.running import stand_alone
from local.s3 import S3Server
from runner.stage import Stage

ROOT = Path(__file__).parent.parent
Ask = Callable[..., Request]
stand_alone()


@pytest.fixture(scope="session", autouse=True)
def no_secret_came_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """When all is done, no log, store or file of any test has a key or a secret in it."""
    yield
    assert not list(leaks(tmp_path_factory.getbasetemp()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path / "wake")
    yield store
    store.close()


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Make a request for the embedded model; each test names only what it is about."""

    def make(**wanted: object) -> Request:
        usual: dict[str, object] = {
            "prompt": "a red circle moves right",
            "negative_prompt": "",
            "image": None,
            "width": 128,
            "height": 128,
            "num_frames": 5,
            "fps": 24,
            "steps": 3,
            "guidance_scale": 3.0,
            "seed": 7,
        }
        return Request.model_validate(usual | wanted)

    return make


@pytest.fixture(scope="session")
def ask_once(ask: Ask) -> Request:
    """Make one request for many tests."""
    return ask()


@pytest.fixture(scope="session")
def embedded() -> Path:
    """The embedded model, which bin/prepare has made."""
    assert (EMBEDDED_MODEL / "wan22.json").is_file(), "run bin/test, or bin/prepare test,check"
    return EMBEDDED_MODEL


@pytest.fixture
def made_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Make stages of one DATA_DIR, without their threads: tests call the ticks."""
    stages = []

    def make(name: str, settings: type[Settings], **env: str) -> Stage:
        for key, value in {"DATA_DIR": str(tmp_path), "MODEL_DIR": "pocket", **env}.items():
            monkeypatch.setenv(key, value)
        stages.append(Stage(name, "jobs", read(settings)))
        return stages[-1]

    yield make
    for stage in stages:
        stage.owner.leave()
        stage.store.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("s3")
    server = S3Server(folder / "data", folder / "s3.log")
    server.start()
    yield server
    server.stop()


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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database of each kind, without even a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.make()
    yield url
    server.drop(url)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests print (`figure: ...`): they are read, not judged."""
    reports = terminalreporter.getreports("passed")
    lines = [line for report in reports for line in report.capstdout.splitlines()]
    figures = [line for line in lines if line.startswith("figure: ")]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(figure.removeprefix("figure: "))
