"""A dropped file becomes a job: the same request as `POST /generate`, checked in the same way."""

import hashlib
import re
from dataclasses import replace

from structlog.stdlib import get_logger

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

log = get_logger()

SOURCE = "file:"  # and the name of the file
KEY_FIELD = "idempotency_key"
SLOWEST_NS = 30_000_000_000  # a file that is no JSON may still be written, for so long


class Fetches(Exception):
    """Its picture has to be fetched, which may take long: take it where that keeps nobody."""


async def take(
    parts: Parts, folder: int, dropped: Dropped, now_ns: int, *, fetching: bool = False
) -> Job:
    """Take a file in; one that was taken before gives its job.

    Raises:
        Fetches: unless it is taken to fetch.
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
    given, named = members.pop(KEY_FIELD, None), members.pop(picture.FIELD, None)
    body = Body(members, picture.FIELD)
    if named is not None:
        body = replace(body, file=picture.read_beside(folder, named, dropped, now_ns))
    if given is None:
        key = key_of(dropped.name, content, body.file or b"")
        known = await in_thread(parts.reads, parts.store.views.find_by_key, MAIN, key)
        if known:  # even if its picture could not be fetched any more
            log.info("request.repeated", job_id=known.job_id)
            return known
    else:
        key = checked(given)
    if members.get("image_url") is not None and not fetching:
        raise Fetches
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


def key_of(name: str, *contents: bytes) -> str:
    """Tell how to know a file again that names no key: by its name and all that came with it."""
    parts = [name.encode(), *(hashlib.sha256(content).digest() for content in contents)]
    return f"drop-{hashlib.sha256(b'/'.join(parts)).hexdigest()}"


def checked(given: object) -> str:
    """Read the key that a file names.

    Raises:
        Problem: `idempotency_key_wrong`.
    """
    if not isinstance(given, str) or not re.fullmatch(KEY, given):
        message = f"{KEY_FIELD} is 1 to 255 visible ASCII characters, a new one for each job."
        raise Problem.of("idempotency_key_wrong", message, KEY_FIELD)
    return given
