"""The work of the delivery stage: paying what the outbox owes, several rows at a time."""

import random
from collections.abc import Mapping

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
from jobstore.job import Delivery, Kind
from jobstore.objects import Objects, Sent, Watch
from runner.deliver import upload
from runner.deliver.lanes import Lanes
from runner.deliver.outage import Outage
from runner.deliver.removal import remove
from runner.deliver.webhooks import Webhooks
from runner.stage import Stage

log = get_logger()

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 300.0
EVERYTHING = 1_000_000


class Pay:
    """Pays the outbox of a stage's store into a bucket, or keeps the videos where they are."""

    grace_s = 10.0  # a storage that hangs is not waited for

    def __init__(
        self,
        stage: Stage,
        objects: Objects | None,
        dice: random.Random,
        webhooks: Webhooks | None = None,
    ) -> None:
        """Pay into `objects`, if there is a bucket; `dice` spreads the retries."""
        self.stage = stage
        self.objects = objects
        self.dice = dice
        self.webhooks = webhooks
        self.outage = Outage()
        self._lanes = Lanes(stage.wake)
        self._prepared = False

    @property
    def still_s(self) -> float:
        """For how long a turn may take: what waits for others is done in threads of its own."""
        return self.stage.settings.lease_s

    @property
    def facts(self) -> Mapping[str, object]:
        """What it tells of itself: whether the storage can be used."""
        return {"state": self.outage.state} if self._prepared else {}

    def prepare(self) -> None:
        """Owe what was kept while there was no bucket, if there is one now."""
        if self.objects:
            self.stage.store.outbox.owe_kept(self.stage.host)
        self._prepared = True

    def run_once(self) -> bool:
        """Begin to pay the row that is due longest, of any kind that is not busy enough."""
        if self.outage.probe():
            self.stage.store.outbox.hasten(self.stage.host, now_ms())
        kinds = [kind for kind in self._lanes.free() if self.webhooks or kind is not Kind.WEBHOOK]
        return any(self._begin(kind) for kind in kinds)

    def settle(self) -> None:
        """Wait for the rows that are being paid."""
        self._lanes.wait()

    def _begin(self, kind: Kind) -> bool:
        lease_ms = int(self.stage.settings.lease_s * 1000)
        owner, host = self.stage.owner.owner_id, self.stage.host
        delivery = self.stage.store.outbox.claim(owner, host, lease_ms, now_ms(), kind)
        if delivery:
            self._lanes.start(kind, lambda: self._pay(delivery))
        return delivery is not None

    def _pay(self, delivery: Delivery) -> None:
        """Pay a row, whose lease is renewed meanwhile with word of how much has gone out."""
        lease_ms = int(self.stage.settings.lease_s * 1000)
        sent: Sent = int

        def watch(tell: Sent) -> None:
            nonlocal sent
            sent = tell

        def renew() -> None:
            self.stage.store.outbox.renew(delivery, lease_ms, now_ms(), sent())

        with (
            structlog.contextvars.bound_contextvars(job_id=delivery.job_id),
            self.stage.heartbeat.hold(renew),
        ):
            try:
                self._try(delivery, watch)
            except LeaseLost:
                log.warning("outbox.dropped", fence=delivery.fence)
            except StoreUnavailable as error:
                log.warning("store.missed", error=str(error))

    def _try(self, delivery: Delivery, watch: Watch) -> None:
        outbox = self.stage.store.outbox
        try:
            self._settle(delivery, watch)
        except OutputLost as error:
            outbox.lose(delivery, str(error), now_ms())
            log.error("outbox.lost", error=str(error))
        except ObjectsUnavailable as error:
            pause_s = self._fail(delivery, error)
            log.warning("outbox.postponed", error=str(error), again_in_s=pause_s)
        except (ObjectsRefused, KeyTaken) as error:
            pause_s = self._fail(delivery, error)
            log.error("outbox.blocked", error=str(error), again_in_s=pause_s)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:
            log.exception("outbox.stuck", again_in_s=self._postpone(delivery, error))

    def _settle(self, delivery: Delivery, watch: Watch) -> None:
        stage, objects = self.stage, self.objects
        if delivery.kind is Kind.WEBHOOK:
            self._tell(delivery)
            return
        if delivery.kind is Kind.REMOVAL:
            remove(stage.store, objects, stage.settings, delivery)
        else:
            self._deliver(delivery, watch)
        if objects and self.outage.end():
            log.info("storage.returned")
            stage.store.outbox.hasten(stage.host, now_ms(), EVERYTHING)

    def _tell(self, delivery: Delivery) -> None:
        job = self.stage.store.views.find(delivery.job_id)
        if job and self.webhooks:
            self.webhooks.pay(delivery, job)

    def _deliver(self, delivery: Delivery, watch: Watch) -> None:
        stage, objects = self.stage, self.objects
        file = stage.settings.data_dir / upload.owed_video(delivery).path
        if objects:
            upload.deliver(stage.store.outbox, objects, delivery, file, watch)
        else:
            upload.keep(stage.store.outbox, delivery, file)

    def _fail(self, delivery: Delivery, error: Exception) -> float:
        self.outage.begin(error)
        return self._postpone(delivery, error)

    def _postpone(self, delivery: Delivery, error: Exception) -> float:
        pause_s = backoff_s(delivery.attempt, self.dice)
        self.stage.store.outbox.postpone(delivery, now_ms() + int(pause_s * 1000), str(error))
        return round(pause_s, 1)


def backoff_s(attempt: int, dice: random.Random) -> float:
    """Choose a pause in seconds: doubled at each attempt, cut at five minutes, with full jitter."""
    longest = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2.0 ** min(attempt, 16))
    return dice.uniform(BACKOFF_FIRST_S / 2, longest)
