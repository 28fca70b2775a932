"""Taking in what is dropped: a look at the folder now and then, and whenever something changes.

The watch is a hint, the look is the truth: it finds what no event told of, and a folder that was
removed, replaced or was not there. All of it runs in a thread with an event loop of its own, so
that neither requests nor dropped files keep each other waiting; and jobs are told of whether or not
more can be taken in.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from structlog.stdlib import get_logger
from ulid import ULID

from gateway.gate import GateUnavailable
from gateway.intake.dropped import IGNORED, Dropped, NotYet
from gateway.intake.ends import move_accepted, move_rejected
from gateway.intake.follow import Followed
from gateway.intake.inputs import Inputs
from gateway.intake.take import Fetches, take
from gateway.parts import Parts
from gateway.problems import Problem
from jobstore.errors import StoreUnavailable
from jobstore.wake import changes_in

log = get_logger()

NAMES_MOST = 1000  # that one look takes, so that a flood does not keep it from what it follows
AT_ONCE = 4  # files, and beside them as many whose pictures are fetched from servers
SOON_S = 0.5  # when something is being written
LOOK_PACE_S = 0.05  # between two looks, however much changes
TELL_PACE_S = 0.25  # the same for what is told
STUCK_LOOKS = 12  # that leave a file alone which could not be taken in or moved


class Stuck(NamedTuple):
    """A file, as it was when it could not be taken in or moved, and when it is tried again."""

    dropped: Dropped
    until_s: float


class Intake:
    """The intake of one gateway."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        """Take in what is dropped into a folder; `parts` are its own, no other loop uses them."""
        self._parts = parts
        self._folder = folder
        self._followed = Followed(parts)
        self._found = False
        self._stuck: dict[str, Stuck] = {}
        self._waits: dict[str, str] = {}
        self._aside: dict[str, asyncio.Task[None]] = {}
        self._hindered: dict[str, str] = {}
        self._fetching = asyncio.Semaphore(AT_ONCE)
        self._trouble: str | None = None
        self._place: tuple[int, int] | None = None
        self._loop = asyncio.new_event_loop()
        self._dropped = asyncio.Event()
        self._moved = asyncio.Event()
        self._stopping = threading.Event()
        self._unwatched = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        ring = partial(self._ring, self._moved)
        self._parts.store.database.watch("changes", ring, self._stopping)
        self._thread.start()

    async def turn(self) -> None:
        """Wait, in another loop, until this one has come round."""
        turned = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
        await asyncio.wrap_future(turned)

    def stop(self) -> None:
        """End in good order: what was begun is finished."""
        self._stopping.set()
        self._unwatched.set()
        self._ring(self._dropped)
        self._ring(self._moved)
        self._thread.join()

    def _ring(self, bell: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(bell.set)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        await asyncio.gather(
            self._repeat(self._look, self._dropped, LOOK_PACE_S),
            self._repeat(self._tell, self._moved, TELL_PACE_S),
        )
        await asyncio.gather(*self._aside.values())

    async def _repeat(
        self, tick: Callable[[], Awaitable[float]], bell: asyncio.Event, pace_s: float
    ) -> None:
        """Do something each time a bell rings, or when it says that it wants to be done again."""
        while not self._stopping.is_set():
            bell.clear()
            wait_s = self._parts.settings.poll_s
            try:
                wait_s = await tick()
            except Exception:
                log.exception("intake.stuck")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), wait_s)
            await asyncio.sleep(pace_s)

    async def _look(self) -> float:
        """Look once; tells in how many seconds to look again."""
        try:
            with Inputs.open(self._folder) as inputs:
                inputs.check_rights()
                self._watch(inputs)
                again = await self._take_in(inputs)
        except (OSError, Problem, StoreUnavailable) as error:
            self._say(str(error) or type(error).__name__)
            return self._parts.settings.poll_s
        self._say(next(iter(self._hindered.values()), None))
        return again

    async def _tell(self) -> float:
        """Tell how the jobs are; what hinders that is said by the look, or by the store."""
        with contextlib.suppress(OSError, StoreUnavailable), Inputs.open(self._folder) as inputs:
            if not self._found:
                self._followed.find(inputs)
                self._found = True
            self._followed.tell(inputs)
        return self._parts.settings.poll_s

    async def _take_in(self, inputs: Inputs) -> float:
        """Take in what lies there, and after it what was found waiting before."""
        found = sorted(dropped_in(inputs), key=lambda each: (each.written_ns, each.name))
        names = {each.name for each in found}
        self._stuck = {name: stuck for name, stuck in self._stuck.items() if name in names}
        self._waits = {name: reason for name, reason in self._waits.items() if name in names}
        self._hindered = {name: why for name, why in self._hindered.items() if name in names}
        fresh = [each for each in found if not self._is_left_alone(each)]
        fresh.sort(key=lambda each: each.name in self._waits)
        places, closed = asyncio.Semaphore(AT_ONCE), asyncio.Event()

        async def in_turn(dropped: Dropped) -> bool:
            async with places:
                if self._stopping.is_set() or closed.is_set():
                    return False
                try:
                    return await self._one(inputs, dropped)
                except Fetches:
                    self._aside[dropped.name] = asyncio.create_task(self._fetch(dropped))
                    return True
                except (StoreUnavailable, Problem) as error:
                    if not isinstance(error, GateUnavailable):
                        closed.set()  # nor would any other file be taken in
                    raise

        tried = map(in_turn, fresh[:NAMES_MOST])
        done = await asyncio.gather(*tried, return_exceptions=True)  # none outlives the descriptors
        if done:
            inputs.sync()
        for error in done:
            if isinstance(error, BaseException):
                raise error
        if len(fresh) > NAMES_MOST and any(done):
            return 0
        return self._parts.settings.poll_s if all(done) else SOON_S

    async def _fetch(self, dropped: Dropped) -> None:
        """Take one file in whose picture comes from a server, which may be slow."""
        try:
            async with self._fetching:
                if not self._stopping.is_set():
                    with Inputs.open(self._folder) as inputs:
                        await self._one(inputs, dropped, fetching=True)
                        inputs.sync()
            self._hindered.pop(dropped.name, None)
        except (OSError, Problem, StoreUnavailable) as error:  # the next look says so
            self._hindered[dropped.name] = str(error) or type(error).__name__
        finally:
            del self._aside[dropped.name]

    async def _one(self, inputs: Inputs, dropped: Dropped, *, fetching: bool = False) -> bool:
        """Bring one file to its end; False if it has to be looked at again soon.

        Raises:
            Fetches: its picture has to be fetched, and this is not the place.
            Problem, StoreUnavailable: nothing can be taken in now.
        """
        request_id = str(ULID())
        with structlog.contextvars.bound_contextvars(request_id=request_id, file=dropped.name):
            try:
                now_ns = time.time_ns()
                job = await take(self._parts, inputs.folder, dropped, now_ns, fetching=fetching)
            except NotYet as reason:
                self._wait(dropped, str(reason))
                return False
            except Problem as problem:
                if problem.may_pass:
                    raise
                self._end(dropped, partial(self._reject, inputs, dropped, problem, request_id))
                return True
            except (Fetches, StoreUnavailable):
                raise
            except Exception:
                if self._stick(dropped):
                    log.exception("intake.stuck")
                return True
            self._followed.begin(inputs, dropped.name, job)
            self._end(dropped, partial(move_accepted, inputs, dropped, job.job_id))
        return True

    def _reject(self, inputs: Inputs, dropped: Dropped, problem: Problem, request_id: str) -> None:
        name = move_rejected(inputs, dropped, problem, request_id)
        self._followed.forget(dropped.name)
        log.info("intake.rejected", code=problem.code, reason=str(problem), moved_to=name)

    def _end(self, dropped: Dropped, move: Callable[[], None]) -> None:
        """Move a file."""
        try:
            move()
        except OSError as error:
            if self._stick(dropped):
                log.error("intake.unmoved", error=str(error))

    def _wait(self, dropped: Dropped, reason: str) -> None:
        """Say once why a file waits, if that may take longer than a moment."""
        if reason and self._waits.get(dropped.name) != reason:
            log.info("intake.waiting", reason=reason)
        self._waits[dropped.name] = reason

    def _stick(self, dropped: Dropped) -> bool:
        """Leave a file alone for some looks; tells whether it was not so before."""
        before = self._stuck.get(dropped.name)
        until_s = self._loop.time() + STUCK_LOOKS * self._parts.settings.poll_s
        self._stuck[dropped.name] = Stuck(dropped, until_s)
        return before is None or before.dropped != dropped

    def _is_left_alone(self, dropped: Dropped) -> bool:
        stuck = self._stuck.get(dropped.name)
        if stuck and stuck.dropped == dropped and self._loop.time() < stuck.until_s:
            return True
        return dropped.name in self._aside

    def _watch(self, inputs: Inputs) -> None:
        """Watch the folder that is there now; of another one before it nothing more is heard."""
        if inputs.place == self._place:
            return
        self._place = inputs.place
        self._stuck = {}
        self._unwatched.set()
        self._unwatched = threading.Event()
        if inputs.is_sticky:
            log.error("intake.doubted", reason="the folder is sticky: chmod -t it")
        threading.Thread(target=self._hear, args=(self._unwatched,), daemon=True).start()

    def _hear(self, over: threading.Event) -> None:
        for names in changes_in(self._folder, over):
            if not names or any(not IGNORED.fullmatch(name) for name in names):
                self._ring(self._dropped)

    def _say(self, trouble: str | None) -> None:
        """Say once that nothing can be taken in, and once that it goes on."""
        if trouble and trouble != self._trouble:
            log.error("intake.blocked", reason=trouble)
        if self._trouble and not trouble:
            self._stuck = {}
            log.info("intake.resumed")
        self._trouble = trouble


def dropped_in(inputs: Inputs) -> Iterator[Dropped]:
    """List the job files that lie in the folder, by their names alone."""
    with os.scandir(inputs.folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(".json") and not IGNORED.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    yield Dropped.look(inputs.folder, entry.name)
