"""What the endpoints work with, put together once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar, cast

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request

from jobstore.abilities import Abilities
from jobstore.objects import Objects
from jobstore.settings import GatewaySettings
from jobstore.store import Store

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parts:
    """The settings, the stores, and a limiter of its own for each kind of work in threads.

    Writes wait for each other in the database and decoding takes memory; neither may hold up reads.
    """

    settings: GatewaySettings
    abilities: Abilities
    store: Store
    objects: Objects
    reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    writes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    decodes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))


def parts_of(request: Request) -> Parts:
    """Find the parts of the application that a request came to."""
    return cast("Parts", request.app.state.parts)


async def in_thread(
    limiter: CapacityLimiter,
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call something that blocks, in a thread, when the limiter has room."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiter)
