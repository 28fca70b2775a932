"""`POST /generate`: a prompt, with or without a picture, becomes an accepted job."""

from starlette.requests import Request
from starlette.responses import Response

from gateway.accept import accept
from gateway.accepted import accepted
from gateway.asked import ask
from gateway.body import read_body
from gateway.parts import in_thread, parts_of
from gateway.sender import sender_of

PICTURE = "image"  # the part of a form that is a file


async def generate(request: Request) -> Response:
    """Answer 202 once the job is in the store for good, and not before."""
    parts, sender = parts_of(request), sender_of(request)
    asked = await ask(parts, await read_body(request, PICTURE))
    job, new = await in_thread(parts.writes, accept, parts, asked, sender)
    return await in_thread(parts.reads, accepted, parts, job, new=new)
