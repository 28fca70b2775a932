"""A delivery stage that tells the ends of jobs, one try at a time, and jobs that end."""

from collections.abc import Callable
from typing import Any

from ulid import ULID

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Kind, Request, Video
from runner.deliver.webhooks import Webhooks
from runner.stage import Stage

Ask = Callable[..., Request]
LEASE_MS = 60_000
SHA = "ab" * 32
LATER = 10**15  # whatever waits is due by then


class Teller:
    """A delivery stage that tells the ends of jobs, and the jobs."""

    def __init__(self, stage: Stage, webhooks: Webhooks, ask: Ask) -> None:
        self.stage = stage
        self.webhooks = webhooks
        self.ask = ask

    def end(self, url: str, end: str = "cancelled", **wanted: object) -> str:
        """Bring a job to an end that is to be told."""
        job_id, store, now = str(ULID()), self.stage.store, now_ms()
        arrival = Arrival(job_id, self.ask(**wanted), "test", "main", webhook_url=url)
        store.jobs.accept(arrival, now)
        if end == "cancelled":
            store.jobs.cancel(job_id, now)
            return job_id
        job = store.jobs.claim("A", "H", LEASE_MS, now)
        assert job
        if end == "failed":
            store.jobs.fail(job, "image_lost", "The picture is gone.", now)
        else:
            store.jobs.finish(job, "H", Video.at(f"{job_id}.mp4", 10, SHA), None, now)
            delivery = store.outbox.claim("D", "H", LEASE_MS, now)
            assert delivery
            store.outbox.settle(delivery, 10, SHA, now)
        return job_id

    def tell(self) -> bool:
        """Try the webhook that is due longest, once."""
        store = self.stage.store
        delivery = store.outbox.claim("D", self.stage.host, LEASE_MS, LATER, Kind.WEBHOOK)
        if delivery is None:
            return False
        self.webhooks.pay(delivery, self.job(delivery.job_id))
        return True

    def job(self, job_id: str) -> Job:
        job = self.stage.store.views.find(job_id)
        assert job
        return job

    def row(self, job_id: str) -> dict[str, Any]:
        with self.stage.store.database.reading() as connection:
            select = "SELECT * FROM outbox WHERE kind = 'webhook' AND job_id = ?"
            return dict(connection.execute(select, (job_id,)).fetchone())
