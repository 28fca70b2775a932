"""What the endpoints work with, put together once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request

from gateway.changes import Changes
from jobstore.abilities import Abilities
from jobstore.errors import StoreUnavailable
from jobstore.fetch import Fetcher
from jobstore.objects import Objects
from jobstore.settings import GatewaySettings
from jobstore.store import Store

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

QUEUE_S = 10  # how long a request waits for others before it is told to come back


@dataclass(frozen=True)
class Parts:
    """The settings, the stores, and a limiter of its own for each kind of work in threads.

    Writes wait for each other in the database, decoding takes memory, servers that pictures are
    fetched from may be slow, those who wait for a job look at it again and again, and a video comes
    piece by piece; none of these may hold up reads.
    """

    settings: GatewaySettings
    abilities: Abilities
    store: Store
    objects: Objects
    fetcher: Fetcher
    reads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    writes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    decodes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    fetches: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    waits: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    videos: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    changes: Changes = field(default_factory=Changes)


def parts_of(request: Request) -> Parts:
    """Find the parts of the application that a request came to."""
    return cast("Parts", request.app.state.parts)


def job_asked(request: Request) -> tuple[Parts, str, str]:
    """Find what a call about one job works with: the parts, whose key it was, and the job's id."""
    return parts_of(request), request.scope["key_id"], request.path_params["job_id"]


async def in_thread(
    limiter: CapacityLimiter,
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call something that blocks, in a thread, when the limiter has room.

    Raises:
        StoreUnavailable: it has had none for as long as a caller should have to wait.
    """
    with anyio.move_on_after(QUEUE_S) as queued:
        await limiter.acquire()
    if queued.cancelled_caught:
        raise StoreUnavailable
    try:
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))
    finally:
        limiter.release()
