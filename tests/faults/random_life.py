"""A whole service lives through a random while: cancels, kills, stops and restarts over a queue."""

import io
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from PIL import Image

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request
from jobstore.moves import TERMINAL, State
from jobstore.store import Store
from local.bench.process_memory import anonymous_bytes
from local.s3 import BUCKET
from local.stack import Stack
from runner.remains import WORK_FILE
from runner.render.video import probe

PROMPTS = ("a red circle moves right", "a blue square grows", "a green triangle moves up")
WAITING = 4  # jobs, at least, as long as it lasts
EVERY_S = {"cancel": 4.0, "render": 15.0, "gateway": 12.0, "deliver": 9.0}  # on average
QUIET_SHARE = 0.4  # of the time, the last: the renderer lives on, so that its memory can be watched
STILL_S = 180.0  # without any progress of any job


@dataclass
class Life:
    """What happens to one service, and what was seen meanwhile."""

    stack: Stack
    store: Store
    dice: random.Random
    ask: Callable[..., Request]
    asked: set[str] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    progress: dict[str, int] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)

    def live(self, lasts_s: float) -> None:
        """Let things happen, each after a random time; at last see every job to its end."""
        began = time.monotonic()
        due = {name: began + self.dice.expovariate(1 / s) for name, s in EVERY_S.items()}
        while (now := time.monotonic()) < began + lasts_s:
            quiet = now > began + lasts_s * (1 - QUIET_SHARE)
            for name in [name for name, at in due.items() if at <= now]:
                due[name] = now + self.dice.expovariate(1 / EVERY_S[name])
                if not (quiet and name == "render"):
                    self._happen(name)
            self._look(watch_memory=quiet)
            time.sleep(0.05)
        self._see_all_end()

    def _see_all_end(self) -> None:
        """Wait for as long as anything moves: on a busy machine that takes its time."""
        moved_at, before = time.monotonic(), Counter[tuple[str, int]]()
        while True:
            jobs = self._look(fill=False)
            if all(job.state in TERMINAL for job in jobs):
                return
            now = Counter((str(job.state), job.progress) for job in jobs)
            if now != before:
                moved_at, before = time.monotonic(), now
            assert time.monotonic() < moved_at + STILL_S, "a job never came to its end"
            time.sleep(0.05)

    def _happen(self, name: str) -> None:
        if name == "cancel":
            self._cancel()
            return
        number = self.dice.choice([signal.SIGKILL, signal.SIGTERM])
        self.done[f"{name} {number.name}"] += 1
        self.stack.processes[name].end(number, patience_s=60)
        self.stack.launch(name)

    def _cancel(self) -> None:
        alive = [job for job in self.store.views.page(1000) if job.state not in TERMINAL]
        job = self.dice.choice(alive)
        if self.store.jobs.cancel(job.job_id, now_ms()):
            self.asked.add(job.job_id)
            self.done[f"cancel {job.state}"] += 1

    def _look(self, *, fill: bool = True, watch_memory: bool = False) -> list[Job]:
        jobs = self.store.views.page(1000)
        for job in jobs:
            before = self.progress.get(job.job_id, 0)
            assert job.progress >= before, f"{job.job_id} went back from {before} %"
            self.progress[job.job_id] = job.progress
        if fill and sum(job.state is State.QUEUED for job in jobs) < WAITING:
            self._submit()
        if watch_memory:
            self.memory.append(anonymous_bytes(self.stack.processes["render"].pid))
        return jobs

    def _submit(self) -> None:
        """Ask as a caller, who gets no answer from a dead gateway, or straight into the store."""
        if self.dice.random() < 0.2:
            try:
                self.stack.client.submit(self.dice.choice(PROMPTS))
            except httpx2.TransportError:
                self.done["no answer"] += 1
            return
        request = self.ask(
            prompt=self.dice.choice(PROMPTS),
            preset=self.dice.choice(["quality", "fast", "draft"]),
            steps=self.dice.choice([4, 20, 60]),
            num_frames=self.dice.choice([5, 17]),
            image=self.dice.choice([None, "some.png"]),
            seed=self.dice.randrange(1000),
        )
        arrival = Arrival(f"{len(self.progress):04}", request, "test", "main")
        self.store.jobs.accept(arrival, now_ms())

    def check(self) -> Counter[str]:
        """Look at what is left of it all; answers how the jobs ended."""
        jobs = self.store.views.page(1000)
        keys = Counter(self._job_of(key) for key in self._objects())
        for job in jobs:
            states = [event.state for event in self.store.views.history(job.job_id)]
            assert states.count(job.state) == 1, states
            if job.state is State.COMPLETED:
                assert keys.pop(job.job_id) == states.count(State.RENDERED) == 1
                self._probe(job)
            else:
                assert job.state is State.CANCELLED, (job.job_id, job.error_code, job.error)
                assert job.job_id in self.asked, "nobody asked for that"
        assert not keys, "objects that no completed job has"
        return Counter(str(job.state) for job in jobs)

    def scraps(self) -> list[str]:
        """List what is left of renders; all jobs have ended."""
        work = self.stack.folder / "work"
        return [file.name for file in work.iterdir() if WORK_FILE.fullmatch(file.name)]

    def _objects(self) -> list[str]:
        listing = self.stack.s3.client.list_objects_v2(Bucket=BUCKET)
        keys = [entry["Key"] for entry in listing.get("Contents", [])]
        return [key for key in keys if key.endswith(".mp4")]

    def _job_of(self, key: str) -> str:
        return Path(key).stem

    def _probe(self, job: Job) -> None:
        body = self.stack.s3.client.get_object(Bucket=BUCKET, Key=job.object_key)["Body"].read()
        file = self.stack.folder / "seen.mp4"
        file.write_bytes(body)
        request = job.request
        probe(file, (request.num_frames, request.height, request.width), request.fps)


def picture() -> bytes:
    """Make a picture to start from."""
    made = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(made, "PNG")
    return made.getvalue()
