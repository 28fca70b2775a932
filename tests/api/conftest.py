"""A real gateway alone, over a store that the tests move themselves: every state can be held.

It hardly ever looks by itself: what comes in time was woken.
"""

from collections.abc import Iterator

import pytest

from calling import Calling
from local.stack import Stack


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calling]:
    with Stack(tmp_path_factory.mktemp("gateway"), env={"POLL_S": "600"}) as stack:
        stack.up("gateway")
        calling = Calling(stack)
        yield calling
        calling.close()


@pytest.fixture
def api(gateway: Calling) -> Calling:
    """The gateway, without a job."""
    gateway.empty()
    return gateway
