"""The life of two jobs against a store, in a process that may be killed at any of its steps.

    python life.py URL WAKE_FOLDER RUN ACKNOWLEDGED

Runs again and again (RUN counts from 1) until it ends by itself; each run first takes back what the
runs before it held. `old` is rendered, delivered, deleted and pruned, `new` rendered and delivered,
`kept` stays on the disk, the video of `aged` expires and is removed; all ends are told.
What was acknowledged to a caller is written, durably, to the file ACKNOWLEDGED.
"""

import os
import sys
from pathlib import Path

from jobstore.job import Arrival, Kind, Phase, Request, Video
from jobstore.moves import TERMINAL
from jobstore.store import Store

HOUR_MS = 3_600_000
LEASE_MS = 60_000
SHA = "ab" * 32
HOOK = "https://hooks.example/"
REQUEST = Request(
    prompt="a red circle",
    negative_prompt="",
    image=None,
    width=128,
    height=128,
    num_frames=17,
    fps=24,
    steps=20,
    guidance_scale=3,
    seed=1,
)


def live(store: Store, run: int, acknowledged: Path) -> None:
    """Bring both jobs to their ends, from wherever they stand."""
    owner, dead = f"run{run}", [f"run{earlier}" for earlier in range(1, run)]
    now = run * HOUR_MS
    store.jobs.rescue(dead, now)
    store.outbox.rescue(dead, now)
    for job_id in ("old", "new", "kept", "aged"):
        if job_id not in text(acknowledged):
            accept(store, job_id, acknowledged)
    while job := store.jobs.claim(owner, "H", LEASE_MS, now):
        store.jobs.advance(job, Phase.DENOISING, 1, 10)
        video = Video.at(f"outputs/{job.job_id}.{job.fence}.mp4", 10, SHA)
        store.jobs.finish(job, "H", video, 5, now)
    while row := store.outbox.claim(owner, "H", LEASE_MS, now):
        if row.job_id == "kept":
            store.outbox.keep(row, now)
        else:
            store.outbox.settle(row, 10, SHA, now)
    tell(store, owner, now)
    store.retention.expire("aged", now)
    old = store.views.find("old")
    if old and old.state in TERMINAL:
        store.jobs.delete("old", now)
    while row := store.outbox.claim(owner, "H", LEASE_MS, now, Kind.REMOVAL):
        store.outbox.remove(row, now)
    store.retention.prune(0, now + 1)


def tell(store: Store, owner: str, now: int) -> None:
    """Tell the end of `new`; nobody wants to hear those of the others, which are given up."""
    while row := store.outbox.claim(owner, "H", LEASE_MS, now, Kind.WEBHOOK):
        if row.job_id == "new":
            store.outbox.tell(row, now)
        else:
            store.outbox.give_up(row, "nobody listens")


def accept(store: Store, job_id: str, acknowledged: Path) -> None:
    """Accept a job as a caller does who sends it again until he has an answer."""
    again = (f"key-{job_id}", "hash")
    arrival = Arrival(job_id, REQUEST, "test", "main", *again, webhook_url=HOOK)
    store.jobs.accept(arrival, 1000)
    with acknowledged.open("a") as file:
        file.write(f"{job_id}\n")
        file.flush()
        os.fsync(file.fileno())


def text(file: Path) -> str:
    """Read a file that may not be there yet."""
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    url, wake, run, acknowledged = sys.argv[1:]
    store = Store.open(url, Path(wake))
    live(store, int(run), Path(acknowledged))
    store.close()
