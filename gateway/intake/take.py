"""A dropped file becomes a job: the same request as `POST /generate`, checked in the same way."""

import hashlib
import re
from dataclasses import replace

from gateway.accept import accept
from gateway.asked import ask
from gateway.body import BODY_LIMIT_BYTES, Body, parse_object, too_large
from gateway.intake import picture
from gateway.intake.dropped import Dropped, NotYet
from gateway.parts import Parts, in_thread
from gateway.problems import Problem
from gateway.sender import KEY, Sender
from jobstore.job import Job
from jobstore.keys import MAIN

SOURCE = "file:"  # and the name of the file
KEY_FIELD = "idempotency_key"
SLOWEST_NS = 30_000_000_000  # a file that is no JSON may still be written, for so long


async def take(parts: Parts, folder: int, dropped: Dropped, now_ns: int) -> Job:
    """Take a file in; one that was taken before gives its job.

    Raises:
        NotYet: it is being written, or waits for its picture.
        Problem: what is wrong with it, or in our way.
    """
    dropped.check()
    if not dropped.rests(now_ns):
        raise NotYet
    content = dropped.read(folder, BODY_LIMIT_BYTES, too_large())
    try:
        members = parse_object(content)
    except Problem as problem:
        if dropped.changed_within(SLOWEST_NS, now_ns):
            message = "it is no whole JSON object yet"
            raise NotYet(message) from problem
        raise
    key = key_of(members.pop(KEY_FIELD, None), dropped.name, content)
    named = members.pop(picture.FIELD, None)
    body = Body(members, picture.FIELD)
    if named is not None:
        body = replace(body, file=picture.read_beside(folder, named, dropped, now_ns))
    try:
        asked = await ask(parts, body)
    except Problem as problem:
        broken = any(fault.field == picture.FIELD for fault in problem.faults)
        if broken and picture.may_still_grow(folder, named, now_ns):
            raise NotYet from problem
        raise
    sender = Sender(MAIN, key, source=f"{SOURCE}{dropped.name}")
    job, _ = await in_thread(parts.writes, accept, parts, asked, sender)
    return job


def key_of(given: object, name: str, content: bytes) -> str:
    """Tell how to know the file again: by the key in it, or by its name and all that is in it.

    Raises:
        Problem: `idempotency_key_wrong`.
    """
    if given is None:
        return f"drop-{hashlib.sha256(name.encode() + b'/' + content).hexdigest()}"
    if not isinstance(given, str) or not re.fullmatch(KEY, given):
        message = f"{KEY_FIELD} is 1 to 255 visible ASCII characters, a new one for each job."
        raise Problem.of("idempotency_key_wrong", message, KEY_FIELD)
    return given
