"""A running gateway to call, and its job store: what the other stages would do, tests do."""

import hashlib
from pathlib import Path
from typing import Any

import httpx2

from jobstore.clock import now_ms
from jobstore.job import Delivery, Job, Phase, Video
from jobstore.store import Store
from local.stack import Stack

LEASE_MS = 60_000
HOST = "H"
CLAIMS_MOST = 1000
EMPTY = (
    "DELETE FROM keys",
    "DELETE FROM job_events",
    "DELETE FROM outbox",
    "DELETE FROM jobs",
    "DELETE FROM hosts",
)
MP4 = bytes(range(256)) * 2000
RED = (  # a picture, 16x16
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP8z0AaYCJR/aiGUQ1DSAMA"
    "QC4BH2bjRnMAAAAASUVORK5CYII="
)
PROMPT = "a red circle moves right"


class Calling:
    """The gateway of a stack, with a key, and the moves of a job in the shortest words."""

    def __init__(self, stack: Stack, database_url: str) -> None:
        self.stack = stack
        self.database_url = database_url
        self.http = httpx2.Client(base_url=stack.url, headers={"X-API-Key": stack.key}, timeout=20)
        self.store = Store.open(database_url, stack.folder / "work" / "wake")

    def empty(self) -> None:
        """Forget all jobs."""
        with self.store.database.writing() as connection:
            for statement in EMPTY:
                connection.execute(statement)

    def close(self) -> None:
        self.http.close()
        self.store.close()

    def send(self, headers: dict[str, str] | None = None, **wanted: Any) -> httpx2.Response:
        return self.http.post("/generate", json={"prompt": PROMPT} | wanted, headers=headers)

    def submit(self, **wanted: Any) -> str:
        answer = self.send(**wanted)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def code(self, answer: httpx2.Response) -> tuple[int, str]:
        """Tell the status and the code of a problem."""
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer.status_code, answer.json()["code"]

    def job(self, job_id: str) -> Job:
        job = self.store.views.find(job_id)
        assert job
        return job

    def claim(self) -> Job:
        """Claim a job; PostgreSQL passes over one whose row the gateway writes at this moment."""
        claimed = (self.store.jobs.claim("A", HOST, LEASE_MS, now_ms()) for _ in range(CLAIMS_MOST))
        job = next((job for job in claimed if job), None)
        assert job
        return job

    def advance(self, job: Job, step: int) -> None:
        self.store.jobs.advance(job, Phase.DENOISING, step, step)

    def finish(self, job: Job) -> Path:
        """Render a job that is claimed: a file of known bytes."""
        name = Path("outputs") / f"{job.job_id}.{job.fence}.mp4"
        file = self.stack.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(MP4)
        video = Video.at(str(name), len(MP4), hashlib.sha256(MP4).hexdigest())
        self.store.jobs.finish(job, HOST, video, 500, now_ms())
        return file

    def deliver(self) -> None:
        delivery = self.store.outbox.claim("D", HOST, LEASE_MS, now_ms())
        assert delivery
        self.settle(delivery)

    def settle(self, delivery: Delivery) -> None:
        """Say that a video lies in the storage."""
        assert delivery.video
        size, sha256 = delivery.video.size_bytes, delivery.video.sha256
        self.store.outbox.settle(delivery, size, sha256, now_ms())

    def complete(self, job_id: str) -> Path:
        """Bring the job that is next all the way."""
        job = self.claim()
        assert job.job_id == job_id
        file = self.finish(job)
        self.deliver()
        return file
