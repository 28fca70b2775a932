"""`GET /status/{job_id}` and `GET /jobs/{job_id}`: where a job stands, at once or when it moves."""

import asyncio
import re

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gateway.parts import Parts, in_thread, job_asked
from gateway.shown import Shown, note_read, show

WAIT_MOST_S = 60
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=[,;]|$)", re.IGNORECASE)


async def status(request: Request) -> Response:
    """Answer with the job as it is now, or, with `Prefer: wait=N`, once it has moved.

    Without `If-None-Match`, that is once it has ended; with it, once it is not as it was then.
    """
    parts, key_id, job_id = job_asked(request)
    known = request.headers.get("if-none-match")
    wait_s = wait_of(request)
    headers = {"Cache-Control": "private, no-cache"}
    with parts.changes.place() as free:
        if wait_s is not None and free:
            headers["Preference-Applied"] = f"wait={wait_s}"
            shown = await moved(parts, request, known, wait_s)
        else:
            shown = await in_thread(parts.reads, show, parts, key_id, job_id)
    await note_read(parts, key_id, [shown.job])
    headers["ETag"] = shown.etag
    if known is not None and matches(known, shown.etag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(shown.body, headers=headers)


async def moved(parts: Parts, request: Request, known: str | None, wait_s: int) -> Shown:
    """Look at a job until there is something to tell, or the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    room = parts.reads
    while True:
        upcoming = parts.changes.upcoming()
        shown = await in_thread(room, show, *job_asked(request))
        left_s = deadline - loop.time()
        told = shown.ended or (known is not None and not matches(known, shown.etag))
        if told or left_s <= 0 or parts.changes.over:
            return shown
        await parts.changes.wait(upcoming, min(left_s, parts.settings.poll_s))
        if await request.is_disconnected():
            raise ClientDisconnect
        room = parts.waits


def wait_of(request: Request) -> int | None:
    """Read how many seconds the caller would wait; None if it did not say so."""
    found = WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(found[1]), WAIT_MOST_S) if found else None


def matches(known: str, etag: str) -> bool:
    """Tell whether one of the tags that a caller knows is this one (RFC 9110, weak comparison)."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
