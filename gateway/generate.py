"""`POST /generate`: a prompt, with or without a picture, becomes an accepted job."""

from starlette.requests import Request
from starlette.responses import Response

from gateway.accept import accept
from gateway.accepted import accepted
from gateway.asked import Asked, ask
from gateway.body import read_body
from gateway.parts import Parts, in_thread, parts_of
from gateway.sender import Sender, sender_of

PICTURE = "image"  # the part of a form that is a file


async def generate(request: Request) -> Response:
    """Answer 202 once the job is in the store for good, and not before."""
    parts, sender = parts_of(request), sender_of(request)
    asked = await ask(parts, await read_body(request, PICTURE))
    return await in_thread(parts.writes, taken_in, parts, asked, sender)


def taken_in(parts: Parts, asked: Asked, sender: Sender) -> Response:
    """Take the job in and tell of it in one go: to change threads costs as much as a query."""
    job, new = accept(parts, asked, sender)
    return accepted(parts, job, new=new)
