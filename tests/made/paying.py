"""Paying what is owed, one row after the other, without a stage around it."""

import hashlib
from pathlib import PurePosixPath

from ulid import ULID

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request, Video
from jobstore.settings import Settings
from jobstore.store import Store
from runner.deliver.pay import Pay

LEASE_MS = 60_000


def paid(pay: Pay) -> bool:
    """Pay the row that is due longest and wait for it; tells whether there was one."""
    begun = pay.run_once()
    pay.settle()
    return begun


def owe(store: Store, settings: Settings, host: str, request: Request, content: bytes) -> Job:
    """Make a rendered job whose files lie where they should, and are owed."""
    job_id = str(ULID())
    store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())
    job = store.jobs.claim("R", host, LEASE_MS, now_ms())
    assert job
    assert job.job_id == job_id
    settings.outputs.mkdir(exist_ok=True)
    path = PurePosixPath(f"outputs/{job_id}.1.mp4")
    (settings.data_dir / path).write_bytes(content)
    (settings.outputs / f"{job_id}.1.json").write_text('{"told": true}')
    (settings.outputs / f"{job_id}.1.jpg").write_bytes(b"a picture")
    video = Video(path, len(content), hashlib.sha256(content).hexdigest())
    store.jobs.finish(job, host, video, None, now_ms())
    return job
