"""A request that was checked becomes an accepted job."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from structlog.stdlib import get_logger
from ulid import ULID

from gateway.asked import Asked
from gateway.crowding import limits_of, too_much_told
from gateway.parts import Parts
from gateway.pictures import Picture
from gateway.problems import Problem
from gateway.sender import Sender
from jobstore.clock import now_ms
from jobstore.errors import KeyReused
from jobstore.failpoints import failpoint
from jobstore.job import Arrival, Job, Request
from jobstore.staged import in_use

log = get_logger()

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def accept(parts: Parts, asked: Asked, sender: Sender) -> tuple[Job, bool]:
    """Stage the picture, then take the job in; a crash in between leaves only a stray file.

    Returns:
        The job, and whether it is new: a request that came before has its job already.

    Raises:
        Problem: `idempotency_key_reused`, `image_lost`, too much waits, or there is no room.
    """
    make_sure_of_room(parts)
    job_id, request = str(ULID()), asked.request
    staged = None
    if asked.picture:
        request = request.model_copy(update={"image": f"{job_id}.png"})
        staged = stage(parts, asked.picture, f"{job_id}.png")
    arrival = Arrival(
        job_id,
        request,
        sender.source,
        sender.key_id,
        sender.idempotency_key,
        asked.digest,
        asked.priority,
        sender.retried,
        asked.remix_of,
        asked.webhook_url or parts.settings.webhook_url,
    )
    new = False
    try:
        failpoint("accept.staged")
        limits = limits_of(parts, sender.key_id)
        with too_much_told(), shared(parts, request):
            job, new = parts.store.jobs.accept(arrival, now_ms(), limits)
    except KeyReused as error:
        message = "This Idempotency-Key came with another request before; send a new one with it."
        raise Problem.of("idempotency_key_reused", message) from error
    finally:
        if staged and not new:
            staged.unlink(missing_ok=True)
    failpoint("accept.committed")
    if new:
        log.info("job.accepted", job_id=job_id, sender=sender.key_id, mode=request.task)
    else:
        log.info("request.repeated", job_id=job.job_id)
    return job, new


def make_sure_of_room(parts: Parts) -> None:
    """Look at the disk before anything is written.

    Raises:
        Problem: `disk_full`.
    """
    if not parts.disk.may_take():
        message = "There is no room on the disk for another job; nothing was changed. Try later."
        raise Problem.of("disk_full", message, headers={"Retry-After": "60"})


@contextlib.contextmanager
def shared(parts: Parts, request: Request) -> Iterator[None]:
    """Keep the picture of a request, which may be that of another job, until the job is taken in.

    Raises:
        Problem: `image_lost`.
    """
    if request.image is None:
        yield
        return
    images = parts.settings.images
    with in_use(parts.settings.work):
        if not (images / request.image).is_file():
            message = "The picture of this job is gone from the disk; send it to POST /generate."
            raise Problem.of("image_lost", message)
        yield


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
