"""`POST /generate`: a prompt, with or without a picture, becomes an accepted job."""

import errno
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from structlog.stdlib import get_logger
from ulid import ULID

from gateway.accepted import accepted
from gateway.again import idempotency_key, is_retried
from gateway.body import parse_object, read_body
from gateway.gate import admit
from gateway.parts import Parts, in_thread, parts_of
from gateway.pictures import Picture, PictureRefused, decode_base64
from gateway.problems import Fault, Problem, faults_of
from gateway.wanted import Wanted
from jobstore.abilities import Abilities
from jobstore.clock import now_ms
from jobstore.errors import KeyReused
from jobstore.failpoints import failpoint
from jobstore.job import Arrival, Job

log = get_logger()

MEMBERS_LIMIT = 20  # in a body, whatever they are: each unknown one is told in the answer
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
KEY_ID = "main"  # whose jobs are those of API_SECRET_KEY


@dataclass(frozen=True)
class Asked:
    """A request that was checked: what is wanted, its picture, and a hash of all of it."""

    wanted: Wanted
    picture: Picture | None
    digest: str


async def generate(request: HttpRequest) -> Response:
    """Answer 202 once the job is in the store for good, and not before."""
    parts = parts_of(request)
    key, retried = idempotency_key(request), is_retried(request)
    body = parse_object(await read_body(request))
    asked = await in_thread(parts.decodes, check, body, parts.abilities)
    job, new = await in_thread(parts.writes, accept, parts, asked, key, retried=retried)
    return await in_thread(parts.reads, accepted, parts, job, new=new)


def check(body: dict[str, object], can: Abilities) -> Asked:
    """Check everything about a body.

    Raises:
        Problem: with every fault of it, not only the first.
    """
    if len(body) > MEMBERS_LIMIT:
        message = f"The body has {len(body)} fields; there are {', '.join(Wanted.model_fields)}."
        raise Problem.of("field_unknown", message)
    faults = []
    wanted = picture = content = None
    try:
        wanted = Wanted.model_validate(body, context=can)
    except ValidationError as error:
        faults = faults_of(error, Wanted)
    if body.get("image_url") is not None:
        message = "image_url is not offered yet; send the picture itself as image_base64."
        faults.append(Fault("image_url", "image_url_disabled", message))
    if isinstance(text := body.get("image_base64"), str):
        try:
            content = decode_base64(text)
            picture = admit(content)
        except PictureRefused as error:
            faults.append(Fault("image_base64", "image_invalid", f"image_base64 {error}."))
    if faults or wanted is None:
        raise Problem(faults)
    return Asked(wanted, picture, wanted.digest(content))


def accept(
    parts: Parts, asked: Asked, key: str | None = None, *, retried: bool = False
) -> tuple[Job, bool]:
    """Stage the picture, then take the job in; a crash in between leaves only a stray file.

    Returns:
        The job, and whether it is new: a request that came before has its job already.

    Raises:
        Problem: `idempotency_key_reused`, or there is no room.
    """
    job_id, picture = str(ULID()), asked.picture
    name = f"{job_id}.png"
    request = asked.wanted.resolve(picture.size if picture else None, parts.abilities, name)
    staged = stage(parts, picture, name) if picture else None
    new = False
    try:
        failpoint("accept.staged")
        arrival = Arrival(
            job_id, request, "rest", KEY_ID, key, asked.digest, asked.wanted.priority, retried
        )
        job, new = parts.store.jobs.accept(arrival, now_ms())
    except KeyReused as error:
        message = "This Idempotency-Key came with another request before; send a new one with it."
        raise Problem.of("idempotency_key_reused", message) from error
    finally:
        if staged and not new:
            staged.unlink(missing_ok=True)
    failpoint("accept.committed")
    if new:
        log.info("job.accepted", job_id=job_id, mode=request.task)
    else:
        log.info("request.repeated", job_id=job.job_id)
    return job, new


def stage(parts: Parts, picture: Picture, name: str) -> Path:
    """Write the picture to where its job will look for it.

    Raises:
        Problem: `disk_full`, or `store_unavailable` for any other trouble with the disk.
    """
    try:
        return picture.stage(parts.settings.images, name)
    except OSError as error:
        log.error("picture.refused", error=str(error))
        code = "disk_full" if error.errno in FULL else "store_unavailable"
        message = "The picture could not be kept on the disk; nothing was accepted. Try later."
        raise Problem.of(code, message, headers={"Retry-After": "60"}) from error
