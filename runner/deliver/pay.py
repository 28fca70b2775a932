"""Paying one row of the outbox: the file becomes the object, then the job is completed."""

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

import structlog
from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import (
    KeyTaken,
    LeaseLost,
    ObjectsRefused,
    ObjectsUnavailable,
    OutputLost,
    StoreUnavailable,
)
from jobstore.failpoints import failpoint
from jobstore.job import Delivery, Kind, Video
from jobstore.objects import Objects
from runner.deliver.webhooks import Webhooks
from runner.stage import Stage

log = get_logger()

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 300.0


class Pay:
    """The work of the delivery stage."""

    grace_s = 10.0  # a storage that hangs is not waited for

    def __init__(
        self,
        stage: Stage,
        objects: Objects,
        dice: random.Random,
        webhooks: Webhooks | None = None,
    ) -> None:
        """Pay the outbox of the stage's store into `objects`; `dice` spreads the retries."""
        self.stage = stage
        self.objects = objects
        self.dice = dice
        self.webhooks = webhooks
        self.kinds = [kind for kind in Kind if webhooks or kind is not Kind.WEBHOOK]
        self.facts: Mapping[str, object] = {}

    def prepare(self) -> None:
        """Nothing to load."""
        self.facts = {"state": "ready"}

    def run_once(self) -> bool:
        """Pay the row that is due longest, of the first kind that has any."""
        return any(self._pay_next(kind) for kind in self.kinds)

    def _pay_next(self, kind: Kind) -> bool:
        lease_ms = int(self.stage.settings.lease_s * 1000)
        outbox = self.stage.store.outbox
        owner, host = self.stage.owner.owner_id, self.stage.host
        delivery = outbox.claim(owner, host, lease_ms, now_ms(), kind)
        if delivery is None:
            return False

        def renew() -> None:
            outbox.renew(delivery, lease_ms, now_ms())

        with (
            structlog.contextvars.bound_contextvars(job_id=delivery.job_id),
            self.stage.heartbeat.hold(renew),
        ):
            try:
                self._pay(delivery)
            except LeaseLost:
                log.warning("outbox.dropped", fence=delivery.fence)
        return True

    def settle(self) -> None:
        """Nothing goes on beside."""

    def _pay(self, delivery: Delivery) -> None:
        outbox = self.stage.store.outbox
        try:
            if delivery.video:
                self._deliver(delivery, delivery.video)
            elif delivery.kind is Kind.WEBHOOK:
                self._tell(delivery)
            else:
                self._remove(delivery)
        except OutputLost as error:
            outbox.lose(delivery, str(error), now_ms())
            log.error("outbox.lost", error=str(error))
        except ObjectsUnavailable as error:
            pause_s = self._postpone(delivery, error)
            log.warning("outbox.postponed", error=str(error), again_in_s=pause_s)
        except (ObjectsRefused, KeyTaken) as error:
            pause_s = self._postpone(delivery, error)
            log.error("outbox.blocked", error=str(error), again_in_s=pause_s)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:
            pause_s = self._postpone(delivery, error)
            log.exception("outbox.stuck", again_in_s=pause_s)

    def _postpone(self, delivery: Delivery, error: Exception) -> float:
        pause_s = backoff_s(delivery.attempt, self.dice)
        self.stage.store.outbox.postpone(delivery, now_ms() + int(pause_s * 1000), str(error))
        return round(pause_s, 1)

    def _deliver(self, delivery: Delivery, video: Video) -> None:
        file = self.stage.settings.data_dir / video.path
        check(file, video)
        stored = self.objects.put_once(
            delivery.key, file, job_id=delivery.job_id, sha256=video.sha256
        )
        failpoint("deliver.stored")
        self.stage.store.outbox.settle(delivery, stored.size_bytes, stored.sha256, now_ms())
        log.info("job.completed", key=delivery.key, size_bytes=stored.size_bytes)

    def _tell(self, delivery: Delivery) -> None:
        job = self.stage.store.views.find(delivery.job_id)
        if job and self.webhooks:
            self.webhooks.pay(delivery, job)

    def _remove(self, delivery: Delivery) -> None:
        """Remove the object of a buried job, and once more a lease later.

        An upload that was under way when its row was given to somebody else may still arrive.
        """
        self.objects.remove(delivery.key)
        failpoint("removal.done")
        outbox = self.stage.store.outbox
        if delivery.attempt == 1:
            again_at = now_ms() + int(self.stage.settings.lease_s * 1000)
            outbox.postpone(delivery, again_at, "removed; looked at once more")
        else:
            outbox.remove(delivery, now_ms())
            log.info("object.removed", key=delivery.key)


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


def backoff_s(attempt: int, dice: random.Random) -> float:
    """Choose a pause in seconds: doubled at each attempt, cut at five minutes, with full jitter."""
    longest = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2.0 ** min(attempt, 16))
    return dice.uniform(BACKOFF_FIRST_S / 2, longest)
