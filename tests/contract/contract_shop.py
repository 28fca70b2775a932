"""A store, and the shortest words for what a contract test does with it; time is a number."""

from collections.abc import Callable

from jobstore.job import Arrival, Delivery, Job, Kind, Request, Video
from jobstore.store import Store

LEASE_MS = 60_000
SHA = "ab" * 32
VIDEO = Video.at("outputs/J1.1.mp4", 1000, SHA)

Ask = Callable[..., Request]


class Shop:
    """A store and the shortest words for what a test does with it; time is a number."""

    def __init__(self, store: Store, ask: Ask) -> None:
        self.store = store
        self.ask = ask

    def accept(
        self,
        job_id: str = "J1",
        now: int = 1000,
        request: Request | None = None,
        idempotency_key: str | None = None,
        request_hash: str | None = None,
        priority: int = 0,
        key_id: str = "main",
        *,
        retried: bool = False,
        webhook_url: str | None = None,
    ) -> Job:
        asked = request or self.ask()
        again = (idempotency_key, request_hash)
        arrival = Arrival(
            job_id, asked, "test", key_id, *again, priority, retried, webhook_url=webhook_url
        )
        return self.store.jobs.accept(arrival, now)[0]

    def claim(self, owner: str = "A", now: int = 2000, host: str = "H") -> Job:
        job = self.store.jobs.claim(owner, host, LEASE_MS, now)
        assert job
        return job

    def idle(self, now: int = 2000, host: str = "H") -> bool:
        """Tell that there is nothing to claim."""
        return self.store.jobs.claim("idle", host, LEASE_MS, now) is None

    def finish(self, job: Job, now: int = 3000, host: str = "H") -> Job:
        self.store.jobs.finish(job, host, VIDEO, 500, now)
        return job

    def video(self, number: int) -> Video:
        """Make up one video of many."""
        return Video.at(f"outputs/{number}.mp4", 1000 + number, SHA)

    def take(
        self, now: int = 4000, host: str = "H", owner: str = "D", kind: Kind = Kind.VIDEO
    ) -> Delivery:
        delivery = self.store.outbox.claim(owner, host, LEASE_MS, now, kind)
        assert delivery
        return delivery

    def settled(self, now: int = 4000, host: str = "H") -> bool:
        """Tell that nothing is owed."""
        claim = self.store.outbox.claim
        return not any(claim("idle", host, LEASE_MS, now, kind) for kind in Kind)

    def complete(self, job_id: str = "J1") -> Job:
        """Bring a job all the way."""
        self.accept(job_id)
        self.finish(self.claim())
        self.store.outbox.settle(self.take(), 1000, SHA, 5000)
        return self.found(job_id)

    def found(self, job_id: str = "J1") -> Job:
        job = self.store.views.find(job_id)
        assert job
        return job

    def history(self, job_id: str = "J1") -> list[tuple[str, int]]:
        return [(event.state, event.fence) for event in self.store.views.history(job_id)]
