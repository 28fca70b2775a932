"""Paying what is owed for a video: the file becomes the object, then the job is completed."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import ObjectsRefused, OutputLost
from jobstore.failpoints import failpoint
from jobstore.job import Delivery, Video
from jobstore.objects import Objects, StoredObject, Watch
from jobstore.outbox import Outbox

log = get_logger()

BESIDE: Mapping[str, str] = MappingProxyType({".json": "application/json", ".jpg": "image/jpeg"})
"""What lies beside a video, here and in the storage, by suffix: its sidecar and its poster."""


def beside(key: str) -> list[str]:
    """Name the objects that lie beside that of a video."""
    return [key.removesuffix(".mp4") + suffix for suffix in BESIDE]


def deliver(
    outbox: Outbox, objects: Objects, delivery: Delivery, file: Path, watch: Watch
) -> StoredObject:
    """Store a video and what lies beside it, which goes first: the video says that all is there.

    Raises:
        OutputLost, KeyTaken, ObjectsUnavailable, ObjectsRefused, LeaseLost: as each says.
    """
    video = owed_video(delivery)
    stored = None
    with suppress(ObjectsRefused):  # so is a free key to whoever may not list; the upload says more
        stored = objects.find(delivery.key, delivery.job_id)
    if stored is None:
        check(file, video)
        for key, (suffix, media_type) in zip(beside(delivery.key), BESIDE.items(), strict=True):
            if (lies := file.with_suffix(suffix)).is_file():
                objects.put_beside(key, lies, media_type, delivery.job_id)
            else:
                log.warning("output.lacking", path=str(lies))
        failpoint("deliver.accompanied")
        stored = objects.put_once(delivery.key, file, delivery.job_id, video.sha256, watch)
    failpoint("deliver.stored")
    outbox.settle(delivery, stored.size_bytes, stored.sha256, now_ms())
    log.info("job.completed", key=delivery.key, size_bytes=stored.size_bytes)
    return stored


def keep(outbox: Outbox, delivery: Delivery, file: Path) -> None:
    """Complete a job whose video stays on this machine's disk, as there is no bucket.

    Raises:
        OutputLost, LeaseLost: as each says.
    """
    check(file, owed_video(delivery))
    outbox.keep(delivery, now_ms())
    failpoint("keep.committed")
    log.info("job.completed", path=str(file))


def owed_video(delivery: Delivery) -> Video:
    """Find which video is owed."""
    if delivery.video is None:
        message = f"a {delivery.kind} is no video"
        raise ValueError(message)
    return delivery.video


def check(file: Path, video: Video) -> None:
    """Check that a file is still the one that was rendered.

    Raises:
        OutputLost: it is gone, or its bytes are others.
    """
    try:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        message = f"The rendered file {video.path} is gone from this machine's disk."
        raise OutputLost(message) from error
    if sha256 != video.sha256:
        message = f"The rendered file {video.path} was altered after it was rendered."
        raise OutputLost(message)
