"""Removing what nobody may see any more: the object of a job, and what lies beside it."""

from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import ObjectsRefused
from jobstore.failpoints import failpoint
from jobstore.job import Delivery
from jobstore.objects import Objects
from jobstore.settings import Settings
from jobstore.store import Store
from runner.deliver.upload import beside

log = get_logger()

ONCE_MORE = "removed; looked at once more"


def remove(store: Store, objects: Objects | None, settings: Settings, delivery: Delivery) -> None:
    """Remove the object of a job and the files it was made of, and once more a lease later.

    An upload that was under way when its row was given to somebody else may still arrive.

    Raises:
        ObjectsUnavailable, ObjectsRefused, LeaseLost: as each says.
    """
    video = store.views.video(delivery.job_id)
    if objects:
        for key in (delivery.key, *beside(delivery.key)):
            objects.remove(key)
    elif video and video.delivered:
        message = "S3_BUCKET is not set, and the object is in the bucket that was."
        raise ObjectsRefused(message)
    for file in settings.outputs.glob(f"{delivery.job_id}.*"):
        file.unlink(missing_ok=True)
    failpoint("removal.done")
    if objects and delivery.error != ONCE_MORE:
        again_at = now_ms() + int(settings.lease_s * 1000)
        store.outbox.postpone(delivery, again_at, ONCE_MORE)
    else:
        store.outbox.remove(delivery, now_ms())
        log.info("object.removed", key=delivery.key)
