"""`GET /jobs/{job_id}/events`: what happens to a job, as server-sent events.

`state` tells each change of state and has an id, its number in the history of the job; whoever
comes back with `Last-Event-ID` is told those that he missed. `progress` tells how the job is now;
`ended` is the last change, told with everything that there is to tell. Who has heard that gets a
204, which keeps a browser from coming back (html.spec.whatwg.org, "Server-sent events").
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from structlog.stdlib import get_logger

from gateway.parts import Parts, in_thread, job_asked
from gateway.problems import Problem, answer
from gateway.shown import SIGNED, Shown, note_read, public, show
from jobstore.clock import text
from jobstore.errors import StoreUnavailable
from jobstore.job import Event
from jobstore.moves import TERMINAL

log = get_logger()

KEEP_ALIVE_S = 15
COME_BACK_MS = 2000
NUMBER_LIMIT = 10  # digits
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter is for nginx


class Stream(StreamingResponse):
    """A stream that takes a place as long as it lasts, or says that there is none."""

    media_type = "text/event-stream"

    def __init__(self, parts: Parts, events: AsyncIterator[str]) -> None:
        """Stream events that are not begun yet."""
        super().__init__(events, headers=HEADERS, media_type=self.media_type)
        self._changes = parts.changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, if there is a place."""
        with self._changes.place() as free:
            if free:
                await super().__call__(scope, receive, send)
                return
        message = "Too many answers wait already; ask for the status instead, or try again shortly."
        problem = Problem.of("streams_full", message, headers={"Retry-After": "5"})
        await answer(problem, scope["request_id"])(scope, receive, send)


async def events(request: Request) -> Response:
    """Stream what happens to a job, to its end."""
    parts, key_id, job_id = job_asked(request)
    shown, history = await in_thread(parts.reads, look, parts, key_id, job_id)
    await note_read(parts, key_id, [shown.job])
    told = last_told(request.headers.get("last-event-id", ""))
    if shown.ended and told >= len(history):
        return Response(status_code=204)
    return Stream(parts, tell(parts, key_id, job_id, told))


def last_told(header: str) -> int:
    """Read how many changes of state the caller knows; one that is none of ours is none."""
    return (
        int(header) if header.isascii() and header.isdigit() and len(header) < NUMBER_LIMIT else 0
    )


def look(parts: Parts, key_id: str, job_id: str) -> tuple[Shown, list[Event]]:
    """Look how a job is now, and how it came there.

    Raises:
        Problem: `job_unknown` or `job_deleted`.
    """
    history = parts.store.views.history(job_id)  # first, so that the job is at least as far
    return show(parts, key_id, job_id), history


@dataclass
class Telling:
    """What a caller has been told of a job so far: changes of state, and how it was last."""

    told: int
    before: dict[str, object] | None = None
    ended: bool = False

    def news(self, shown: Shown, history: list[Event]) -> list[str]:
        """Write the events that tell what is new; the last change is told with the whole job."""
        news = [
            message("ended", shown.body, number)
            if event.state in TERMINAL
            else message("state", state_of(shown, event), number)
            for number, event in enumerate(history[self.told :], self.told + 1)
        ]
        self.told += len(news)
        self.ended = bool(history) and history[-1].state in TERMINAL
        now = {name: value for name, value in shown.body.items() if name not in SIGNED}
        if now != self.before and not self.ended:
            news.append(message("progress", shown.body))
        self.before = now
        return news


async def tell(parts: Parts, key_id: str, job_id: str, told: int) -> AsyncIterator[str]:
    """Tell what happens to a job after the change of state number `told`."""
    yield f"retry: {COME_BACK_MS}\n\n"
    telling, clock = Telling(told), asyncio.get_running_loop().time
    said_at = clock()
    while not (telling.ended or parts.changes.over):
        upcoming = parts.changes.upcoming()
        try:
            news = telling.news(*await in_thread(parts.waits, look, parts, key_id, job_id))
        except Problem:
            return  # it was deleted meanwhile
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))
            news = []
        if not news and clock() - said_at >= KEEP_ALIVE_S:
            news = [": still here\n\n"]
        for event in news:
            yield event
            said_at = clock()
        if not telling.ended:
            await parts.changes.wait(upcoming, min(parts.settings.poll_s, KEEP_ALIVE_S))


def state_of(shown: Shown, event: Event) -> dict[str, object]:
    """Say what changed, and when."""
    job_id = shown.job.job_id
    return {"job_id": job_id, "status": public(event.state), "at": text(event.at)}


def message(name: str, data: Mapping[str, object], number: int | None = None) -> str:
    """Write one event; JSON has no line breaks in it."""
    numbered = "" if number is None else f"id: {number}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
