"""wan22's own job store as a queue to be measured, just as its processes use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ulid import ULID

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request, Video
from jobstore.store import Store

OWNER, HOST, LEASE_MS = "bench", "bench", 60_000
SHA256 = "ab" * 32
REQUEST = Request(
    prompt="a red circle moves right",
    negative_prompt="",
    image=None,
    width=1280,
    height=704,
    num_frames=121,
    fps=24,
    steps=50,
    guidance_scale=5.0,
    seed=7,
)


class Ours:
    """The store; `finish` does more than others do: it also writes what is owed to S3."""

    name = "wan22"

    def __init__(self, store: Store, durability: str) -> None:
        """Measure a store that is open."""
        self.store = store
        self.durability = durability

    def accept(self, count: int) -> None:
        """Accept jobs, each in a transaction of its own."""
        for _ in range(count):
            self.take_in()

    def finish(self, count: int) -> None:
        """Claim and finish jobs: two transactions each, the second one with an outbox row."""
        for _ in range(count):
            self.complete(self.claim())

    def take_in(self) -> Job:
        """Accept one job."""
        return self.store.jobs.accept(Arrival(str(ULID()), REQUEST, "bench", "main"), now_ms())[0]

    def claim(self) -> Job:
        """Claim the next job, which must be there."""
        job = self.store.jobs.claim(OWNER, HOST, LEASE_MS, now_ms())
        if job is None:
            raise RuntimeError(self.name)
        return job

    def complete(self, job: Job) -> None:
        """Finish a claimed job, as the render stage does."""
        video = Video.at(f"outputs/{job.job_id}.{job.fence}.mp4", 1_000_000, SHA256)
        self.store.jobs.finish(job, HOST, video, 500, now_ms())


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Ours]:
    """Open a store on a file."""
    store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "wake")
    with store.database.reading() as connection:
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
    try:
        yield Ours(store, f"WAL, synchronous={['OFF', 'NORMAL', 'FULL', 'EXTRA'][level]}")
    finally:
        store.close()


@contextmanager
def on_postgres(url: str, folder: Path) -> Iterator[Ours]:
    """Open a store on a server."""
    store = Store.open(url, folder / "wake")
    with store.database.reading() as connection:
        row = connection.execute(
            "SELECT current_setting('fsync') AS fsync,"
            " current_setting('synchronous_commit') AS synchronous_commit"
        ).fetchone()
    try:
        yield Ours(store, ", ".join(f"{name}={value}" for name, value in row.items()))
    finally:
        store.close()
