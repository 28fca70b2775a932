"""Whom the gateway serves is counted while it happens, and told by its beat alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway.parts import Parts
from gateway.presence import Presence
from gateway.served import Served, Serving
from gateway.settings import GatewaySettings
from jobstore.fetch import Fetcher
from jobstore.owner import Owner
from jobstore.reach import Reach
from jobstore.store import Store


class Answering:
    """An application that tells how many were served while it answered."""

    def __init__(self) -> None:
        self.served = Served()
        self.seen: list[int] = []

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        self.seen.append(self.served.under_way)


def ask(app: Answering, **scope: str) -> None:
    async def never() -> dict[str, str]:
        return {}

    async def nowhere(_message: object) -> None:
        pass

    asyncio.run(Serving(app, app.served)({"type": "http", **scope}, never, nowhere))


def test_whoever_came_with_a_key_is_counted_until_he_is_served() -> None:
    app = Answering()
    ask(app, path="/jobs", key_id="main")
    assert app.seen == [1]
    assert app.served.under_way == 0
    assert app.served.asked_at


@pytest.mark.parametrize("scope", [{"path": "/health"}, {"path": "/metrics", "key_id": "main"}])
def test_programs_that_watch_keep_nobody_awake(scope: dict[str, str]) -> None:
    app = Answering()
    ask(app, **scope)
    assert app.seen == [0]
    assert app.served.asked_at is None


@pytest.fixture
def parts(tmp_path: Path, store: Store) -> Parts:
    given = {"data_dir": tmp_path, "model_dir": "pocket", "api_secret_key": "k"}
    settings = GatewaySettings.model_validate(given)
    return Parts(settings, settings.abilities(), store, None, Fetcher(Reach.over(http=False)))


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    owner = Owner.join(tmp_path / "work")
    yield owner
    owner.leave()


def test_the_gateway_beats_as_the_stages_do(parts: Parts, owner: Owner) -> None:
    """With what an idle machine goes by; when it has gone, it is no more there."""
    parts.served.under_way, parts.served.asked_at = 2, 5
    presence = Presence(parts, owner)
    presence.beat()
    (row,) = parts.store.stages.all()
    assert (row.name, row.facts["state"], row.facts["owner"]) == (
        "gateway",
        "ready",
        owner.owner_id,
    )
    assert (row.facts["serving"], row.facts["asked_at"]) == (2, 5)
    presence.start()
    presence.stop()
    assert parts.store.stages.all() == []
