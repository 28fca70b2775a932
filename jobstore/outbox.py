"""What is owed to the object storage and to those who wait for an end, and paying it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobstore.database import Database
from jobstore.errors import LeaseLost
from jobstore.failpoints import failpoint
from jobstore.job import Delivery, Kind, Video
from jobstore.moves import AT_AN_END


@dataclass(frozen=True)
class Outbox:
    """The outbox of one store; a claimed row is handed back as a `Delivery` with its fence."""

    database: Database

    def claim(
        self, owner: str, host: str, lease_ms: int, now: int, kind: Kind = Kind.VIDEO
    ) -> Delivery | None:
        """Give the row of a kind that this host can pay and that is due longest to `owner`."""
        with self.database.writing() as connection:
            row = self.database.queries.claim_delivery(
                connection, owner=owner, host=host, kind=kind, lease_ends_at=now + lease_ms, now=now
            )
            failpoint("deliver.taken")
        failpoint("deliver.claimed")
        return delivery_from(row) if row else None

    def renew(self, delivery: Delivery, lease_ms: int, now: int, sent_bytes: int = 0) -> None:
        """Move the end of the lease to `now + lease_ms`, and tell how much has gone out.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        told = {"lease_ends_at": now + lease_ms, "sent_bytes": sent_bytes}
        with self.database.writing(*(["changes"] if sent_bytes else [])) as connection:
            self._move(connection, "renew_delivery", delivery, **told)

    def settle(self, delivery: Delivery, size_bytes: int, sha256: str, now: int) -> None:
        """Record that the object stands in the storage, and complete its job with it.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing(*AT_AN_END) as connection:
            self._move(
                connection,
                "settle_delivery",
                delivery,
                size_bytes=size_bytes,
                sha256=sha256,
                now=now,
            )
            failpoint("settle.delivered")
            self.database.queries.complete_job(connection, job_id=delivery.job_id, now=now)
            failpoint("settle.completed")
        failpoint("settle.committed")

    def keep(self, delivery: Delivery, now: int) -> None:
        """Leave a video on the disk of its machine, as there is no bucket; completes its job.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing(*AT_AN_END) as connection:
            self._move(connection, "keep_delivery", delivery)
            failpoint("keep.kept")
            self.database.queries.complete_job(connection, job_id=delivery.job_id, now=now)

    def owe_kept(self, host: str) -> None:
        """Owe the videos that were kept on a machine: now there is a bucket."""
        with self.database.writing("outbox") as connection:
            self.database.queries.owe_kept(connection, host=host)

    def hasten(self, host: str, now: int, most: int = 1) -> None:
        """Make uploads of a machine due that wait after a failure: the storage may be back."""
        with self.database.writing() as connection:
            self.database.queries.hasten_deliveries(connection, host=host, most=most, now=now)

    def remove(self, delivery: Delivery, now: int) -> None:
        """Record that an object that is owed to nobody any more is gone.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing() as connection:
            self._move(
                connection, "settle_delivery", delivery, size_bytes=None, sha256=None, now=now
            )

    def postpone(self, delivery: Delivery, due_at: int, error: str) -> None:
        """Give the row back, to be tried again at `due_at`.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing() as connection:
            self._move(connection, "postpone_delivery", delivery, due_at=due_at, error=error)

    def lose(self, delivery: Delivery, error: str, now: int) -> None:
        """Give the row up and fail its job: the file it owes is lost.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing(*AT_AN_END) as connection:
            self._move(connection, "bury_delivery", delivery, error=error)
            self.database.queries.lose_job(connection, job_id=delivery.job_id, error=error, now=now)

    def tell(self, delivery: Delivery, now: int) -> None:
        """Record that the receiver of a webhook has taken it.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        self.remove(delivery, now)
        failpoint("webhook.settled")

    def give_up(self, delivery: Delivery, error: str) -> None:
        """Record that a webhook is not tried any more, until somebody asks for it.

        Raises:
            LeaseLost: the claim does not stand any more.
        """
        with self.database.writing() as connection:
            self._move(connection, "bury_delivery", delivery, error=error)
        failpoint("webhook.buried")

    def resend(self, job_id: str) -> bool:
        """Owe the webhook of a job once more; tells whether there was one to be sent."""
        with self.database.writing("outbox") as connection:
            return self.database.queries.resend_webhook(connection, job_id=job_id) is not None

    def rescue(self, dead_owners: Iterable[str], now: int) -> list[Delivery]:
        """Take back the rows of dead owners and those whose lease has run out."""
        queries = self.database.queries
        with self.database.writing("outbox") as connection:
            return [
                delivery_from(row)
                for owner in ("", *dead_owners)
                for row in list(queries.rescue_deliveries(connection, dead_owner=owner, now=now))
            ]

    def _move(
        self, connection: object, statement: str, delivery: Delivery, **values: object
    ) -> None:
        move = getattr(self.database.queries, statement)
        claim = {"job_id": delivery.job_id, "kind": delivery.kind, "fence": delivery.fence}
        if move(connection, **claim, **values) is None:
            raise LeaseLost


def delivery_from(row: Mapping[str, Any]) -> Delivery:
    """Read a delivery out of its row."""
    return Delivery(
        job_id=row["job_id"],
        kind=Kind(row["kind"]),
        key=row["key"],
        video=Video.at(row["path"], row["size_bytes"], row["sha256"]) if row["path"] else None,
        attempt=row["attempt"],
        error=row["error"],
        fence=row["fence"],
    )
