"""What the endpoints work with, put together once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ParamSpec, TypeVar, cast

import anyio.to_thread
from starlette.requests import Request

from gateway.changes import Changes
from gateway.links import Links
from gateway.room import Room
from gateway.served import Served
from gateway.settings import GatewaySettings
from jobstore.abilities import Abilities
from jobstore.disk import Disk
from jobstore.errors import StoreFull, StoreUnavailable
from jobstore.fetch import Fetcher
from jobstore.objects import Objects
from jobstore.store import Store

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parts:
    """The settings, the stores, and a room of its own for each kind of work in threads.

    Writes wait for each other in the database, a note of what was read is worth no waiting,
    decoding takes memory, servers that pictures are fetched from may be slow, those who wait for a
    job look at it again and again, and a video comes piece by piece; none of these may hold up
    reads.
    """

    settings: GatewaySettings
    abilities: Abilities
    store: Store
    objects: Objects | None
    fetcher: Fetcher
    reads: Room = field(default_factory=lambda: Room(8))
    writes: Room = field(default_factory=lambda: Room(4))
    decodes: Room = field(default_factory=lambda: Room(2))
    fetches: Room = field(default_factory=lambda: Room(8))
    notes: Room = field(default_factory=lambda: Room(1))
    waits: Room = field(default_factory=lambda: Room(2))
    videos: Room = field(default_factory=lambda: Room(4))
    changes: Changes = field(default_factory=Changes)
    served: Served = field(default_factory=Served)

    @cached_property
    def disk(self) -> Disk:
        """The disk that everything is written to."""
        return Disk(self.settings)

    @cached_property
    def links(self) -> Links:
        """What signs links to videos on this machine's disk."""
        given = self.settings
        return Links(given.api_secret_key.get_secret_value(), given.base_url)


def parts_of(request: Request) -> Parts:
    """Find the parts of the application that a request came to."""
    return cast("Parts", request.app.state.parts)


def job_asked(request: Request) -> tuple[Parts, str, str]:
    """Find what a call about one job works with: the parts, whose key it was, and the job's id."""
    return parts_of(request), request.scope["key_id"], request.path_params["job_id"]


async def in_thread(
    room: Room,
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call something that blocks, in a thread, when there is room.

    Raises:
        StoreUnavailable: there was none for as long as a caller should have to wait, or the store
            was not there in time for those before.
    """
    await room.enter()
    try:
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))
    except StoreFull:
        raise
    except StoreUnavailable:
        room.send_home()
        raise
    finally:
        room.leave()
