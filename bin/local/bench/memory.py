"""What `bin/bench memory` does: the memory that the real render stage takes, without a GPU.

The stage renders one job from a checkpoint as large as that of the 5B. On a CPU its weights lie in
mapped pages of their files. Those of the transformer must stay there, so they count as if they were
memory of the process; those of the text encoder may go again. A GPU machine holds the transformer
on the card: what it needs of RAM is the rest.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from ulid import ULID

from jobstore.abilities import Abilities
from jobstore.clock import now_ms
from jobstore.job import Arrival, Phase, Request
from jobstore.moves import State
from jobstore.store import Store
from local.bench.process_memory import anonymous_bytes, confine, confined, mapped_bytes
from local.running import Running, StartFailed

GIB = 2**30
LIMIT_BYTES = 15 * GIB  # what a machine of 16 GiB leaves beside its kernel and the other processes
EVERY_S = 0.02
MAPS_EVERY = 10  # samples: to walk through all that is mapped takes time
PATIENCE_S = 1800.0
READY = "ready"
AT_REST = 25  # samples
SIDE = 256  # pixels
PROMPT = "A red fox runs through fresh snow at dawn, the camera follows it from the side."


@dataclass(frozen=True)
class Sample:
    """What the stage held at one moment, in bytes."""

    phase: str
    anonymous: int
    transformer: int

    @property
    def whole(self) -> int:
        """Both together."""
        return self.anonymous + self.transformer


def bench_memory(scratch: Path, checkpoint: Path, say: Callable[[str], None]) -> dict[str, float]:
    """Let the render stage load a checkpoint and render a job, watch its memory, print a table.

    Args:
        scratch: an empty folder for the stage's data.
        checkpoint: what it loads.
        say: told what is being done, and whether a limit is enforced.

    Returns:
        In GiB: `peak_anon_gib`, the most of anonymous memory and resident pages of the transformer
        together; `without_transformer_gib`, the most of anonymous memory alone;
        `text_encoder_gib`, by how much that grows while texts are encoded.

    Raises:
        StartFailed: the stage ended, or did not render the job.
    """
    env = {"DATA_DIR": str(scratch), "MODEL_DIR": str(checkpoint)}
    with confined(LIMIT_BYTES) as group:
        stage = Running([sys.executable, "-m", "runner", "render"], scratch / "render.log", env)
        try:
            say(enforcement(stage, group))
            samples = list(watched(stage, scratch, checkpoint))
        finally:
            stage.end()
    Console(highlight=False, width=100).print(table(samples))
    return figures(samples)


def enforcement(stage: Running, group: Path | None) -> str:
    """Confine the stage if that can be done, and say which it is."""
    limit = f"{LIMIT_BYTES / GIB:.0f} GiB, page cache included"
    if group is None:
        return f"no control group can be made here: a limit of {limit}, is not enforced"
    confine(stage.pid, group)
    return f"a control group holds the stage to {limit}"


def watched(stage: Running, data: Path, checkpoint: Path) -> Iterator[Sample]:
    """Sample the stage while it loads and when it is ready; then while it renders a job."""
    stage.wait_until((data / "jobs.db").exists)
    store = Store.open(f"sqlite:///{data / 'jobs.db'}", data / "work" / "wake")
    samples = sampled(stage, checkpoint / "transformer")
    try:
        while not is_ready(store):
            yield samples(Phase.LOADING_MODEL)
        for _ in range(AT_REST):
            yield samples(READY)
        job_id = accept(store, Abilities.read(checkpoint))
        while phase := phase_of(store, job_id, stage):
            yield samples(phase)
    finally:
        store.close()


def sampled(stage: Running, transformer: Path) -> Callable[[str], Sample]:
    """Make the call that takes a sample at the next moment."""
    began, numbers = time.monotonic(), itertools.count()
    mapped = 0

    def take(phase: str) -> Sample:
        nonlocal mapped
        time.sleep(EVERY_S)
        stage.check()
        if time.monotonic() - began > PATIENCE_S:
            message = f"the job was not rendered in {PATIENCE_S:.0f} s:\n{stage.tail()}"
            raise StartFailed(message)
        if next(numbers) % MAPS_EVERY == 0:
            mapped = mapped_bytes(stage.pid, transformer)
        return Sample(phase, anonymous_bytes(stage.pid), mapped)

    return take


def is_ready(store: Store) -> bool:
    """Tell whether the stage has loaded its model."""
    return any(stage.facts["state"] == READY for stage in store.stages.all())


def accept(store: Store, abilities: Abilities) -> str:
    """Accept the smallest job that goes through everything: guided, two steps; answers its id."""
    request = Request(
        prompt=PROMPT,
        negative_prompt=abilities.negative_prompt,
        image=None,
        width=SIDE,
        height=SIDE,
        num_frames=5,
        fps=abilities.fps,
        steps=2,
        guidance_scale=5.0,
        seed=7,
    )
    return store.jobs.accept(Arrival(str(ULID()), request, "bench", "main"), now_ms())[0].job_id


def phase_of(store: Store, job_id: str, stage: Running) -> str | None:
    """Name the phase a job is in; None once it is rendered.

    Raises:
        StartFailed: its render broke.
    """
    job = store.views.find(job_id)
    if job is None or job.error_code or job.state is State.FAILED:
        message = f"the render broke:\n{stage.tail()}"
        raise StartFailed(message)
    return None if job.state is State.RENDERED else job.phase or READY


def figures(samples: Sequence[Sample]) -> dict[str, float]:
    """Say what is judged, in GiB."""
    at_rest = max(sample.anonymous for sample in samples if sample.phase == READY)
    encoding = [sample.anonymous for sample in samples if sample.phase == Phase.ENCODING_PROMPT]
    peaks = {
        "peak_anon_gib": max(sample.whole for sample in samples),
        "without_transformer_gib": max(sample.anonymous for sample in samples),
        "text_encoder_gib": max([at_rest, *encoding]) - at_rest,
    }
    return {name: round(peak / GIB, 2) for name, peak in peaks.items()}


def table(samples: Sequence[Sample]) -> Table:
    """Show the most that each phase held."""
    made = Table(title="GiB of this machine's memory, at most")
    for heading in ("phase", "samples", "anonymous", "transformer, mapped", "together"):
        made.add_column(heading)
    for phase in dict.fromkeys(sample.phase for sample in samples):
        during = [sample for sample in samples if sample.phase == phase]
        most = [
            max(sample.anonymous for sample in during),
            max(sample.transformer for sample in during),
            max(sample.whole for sample in during),
        ]
        made.add_row(phase, str(len(during)), *(f"{peak / GIB:.2f}" for peak in most))
    return made
