"""What `bin/bench render` does: the render stage in turns with a bare script, then a full queue."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from jobstore.abilities import Abilities
from jobstore.clock import now_ms
from jobstore.job import Arrival, Request
from jobstore.moves import State
from jobstore.settings import EMBEDDED_MODEL
from jobstore.store import Store
from local.bench.pairs import Spread
from local.running import Running

Say = Callable[[str], None]
QUEUED = 10
LEAST_S = 5.0  # that one render should last
PROBE_STEPS = 10
FRAMES = 65  # so that a step lasts longer than 40 ms; one of the 5B lasts 22 s
PROMPTS = [
    f"a {colour} {shape} moves {way}"
    for colour in ("red", "green", "blue", "yellow")
    for shape in ("circle", "square", "triangle")
    for way in ("right", "left", "up", "down")
]


@dataclass(frozen=True)
class Bare:
    """The two ends of the bare script."""

    asks: IO[str]
    answers: IO[str]


class Sides:
    """The stage in its own process, and the bare script in another; each waits for its turn."""

    def __init__(self, folder: Path, stage: Running, bare: Bare) -> None:
        """Use what runs; `folder` is the DATA_DIR of the stage."""
        self.store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "work" / "wake")
        self._stage = stage
        self._bare = bare
        self._asked = 0

    def request(self, steps: int) -> Request:
        """Ask for a clip that was not asked for before."""
        self._asked += 1
        prompt = f"{PROMPTS[self._asked % len(PROMPTS)]}, number {self._asked}"
        able = Abilities.read(EMBEDDED_MODEL)
        wanted = {"steps": steps, "num_frames": FRAMES}
        return Request.usual(able, prompt, seed=self._asked).model_copy(update=wanted)

    def submit(self, request: Request) -> str:
        """Queue a job for the stage."""
        job_id = f"B{request.seed}"
        self.store.jobs.accept(Arrival(job_id, request, "bench", "bench"), now_ms())
        return job_id

    def wait(self, job_id: str) -> None:
        """Wait until a job is rendered."""
        self._stage.wait_until(lambda: self._state(job_id) is not State.PROCESSING, 600)
        if self._state(job_id) is not State.RENDERED:
            message = f"the stage did not render {job_id}:\n{self._stage.tail()}"
            raise RuntimeError(message)

    def _state(self, job_id: str) -> State:
        job = self.store.views.find(job_id)
        state = job.state if job else State.FAILED
        return State.PROCESSING if state is State.QUEUED else state

    def ours_s(self, request: Request) -> float:
        """Render with the stage, from the claim to the whole video that is owed; seconds."""
        job_id = self.submit(request)
        self.wait(job_id)
        at = {event.state: event.at for event in self.store.views.history(job_id)}
        return (at[State.RENDERED] - at[State.PROCESSING]) / 1000

    def bare_s(self, request: Request) -> float:
        """Render with the bare script; seconds."""
        self._bare.asks.write(f"{request.model_dump_json()}\n")
        self._bare.asks.flush()
        return float(self._bare.answers.readline())


def bench_render(folder: Path, pairs: int, say: Say) -> dict[str, float]:
    """Measure both; answers `overhead_ratio` and `busy_fraction`."""
    say("loading the embedded model twice: into the render stage, and into a bare script ...")
    with both(folder) as sides:
        for _ in range(2):  # the first of each is slower
            took_s = sides.bare_s(sides.request(PROBE_STEPS))
            sides.ours_s(sides.request(PROBE_STEPS))
        steps = max(PROBE_STEPS, int(1.5 * PROBE_STEPS * LEAST_S / took_s))
        say(f"{pairs} turns of each, {steps} steps a render ...")
        ratios, bare = [], []
        for number in range(pairs):
            asked = [sides.request(steps), sides.request(steps)]
            if number % 2:
                ours_s, bare_s = sides.ours_s(asked[0]), sides.bare_s(asked[1])
            else:
                bare_s, ours_s = sides.bare_s(asked[1]), sides.ours_s(asked[0])
            ratios.append(ours_s / bare_s)
            bare.append(bare_s)
        overhead = Spread.of(ratios)
        print(
            f"A render of {steps} steps takes the bare script {Spread.of(bare).median:.2f} s."
            f" The stage, from claim to owed video, takes {overhead.median:.3f} times as long"
            f" ({overhead.least:.3f} to {overhead.most:.3f})."
        )
        say(f"{QUEUED} jobs in the queue ...")
        jobs = [sides.submit(sides.request(steps)) for _ in range(QUEUED)]
        for job_id in jobs:
            sides.wait(job_id)
    busy = busy_fraction(folder / "logs" / "render.log", jobs)
    print(f"With {QUEUED} jobs queued it denoises or decodes {busy:.1%} of the time.")
    return {"overhead_ratio": round(overhead.median, 3), "busy_fraction": round(busy, 4)}


@contextmanager
def both(folder: Path) -> Iterator[Sides]:
    """Start the stage and the bare script, wait until both have loaded, and end them."""
    env = {"DATA_DIR": str(folder), "DATABASE_URL": "", "MODEL_DIR": "pocket", "POLL_S": "1"}
    stage = Running(
        [sys.executable, "-P", "-m", "runner", "render"], folder / "logs" / "render.log", env
    )
    bare = subprocess.Popen(
        [sys.executable, "-m", "local.bench.bare", str(EMBEDDED_MODEL), str(folder / "bare.mp4")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        stage.wait_until(lambda: "stage.started" in stage.tail())
        ends = Bare(cast("IO[str]", bare.stdin), cast("IO[str]", bare.stdout))
        if ends.answers.readline() != "ready\n":
            message = "the bare script did not load the model"
            raise RuntimeError(message)
        sides = Sides(folder, stage, ends)
        yield sides
        sides.store.close()
    finally:
        stage.end()
        bare.kill()
        bare.wait()


def busy_fraction(log: Path, jobs: list[str]) -> float:
    """Read in the stage's log which part of the time, from the first claim on, went into frames."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    own = [line for line in lines if line.get("job_id") in jobs]
    claimed = [moment(line) for line in own if line["event"] == "job.claimed"]
    decoded = [line for line in own if line["event"] == "frames.decoded"]
    busy_s = sum(line["denoising_s"] + line["decoding_s"] for line in decoded)
    return float(busy_s / (max(map(moment, decoded)) - min(claimed)))


def moment(line: dict[str, Any]) -> float:
    """Say when a line was logged, in seconds."""
    return datetime.fromisoformat(line["timestamp"]).timestamp()
