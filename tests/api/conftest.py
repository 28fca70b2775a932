"""A real gateway alone, over a store that the tests move themselves: every state can be held.

Once with each database.

It hardly ever looks by itself: what comes in time was woken.
"""

from collections.abc import Iterator

import pytest

from calling import Calling
from local.postgres import PostgresServer
from local.stack import Stack
from receiver import SECRET


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Calling]:
    folder = tmp_path_factory.mktemp("gateway")
    url = f"sqlite:///{folder / 'jobs.db'}"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.make()
    hooks = {"WEBHOOK_SECRET": SECRET, "WEBHOOK_ALLOW": "10.0.0.0/8:8080"}
    with Stack(folder, env={"POLL_S": "600", "DATABASE_URL": url, **hooks}) as stack:
        stack.up("gateway")
        calling = Calling(stack, url)
        yield calling
        calling.close()


@pytest.fixture
def api(gateway: Calling) -> Calling:
    """The gateway, without a job."""
    gateway.empty()
    return gateway
