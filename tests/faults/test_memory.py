"""A renderer that lives on and on: after a warm-up it holds no more, whatever it rendered."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flatness import growth_bytes
from jobstore.clock import now_ms
from jobstore.job import Arrival, Request
from jobstore.moves import State
from jobstore.store import Store
from local.bench.process_memory import anonymous_bytes
from local.running import Running
from local.stack import Stack
from random_life import picture

Ask = Callable[..., Request]

ROUNDS = 24
KINDS = (  # of one round: preset, frames, picture; at how many percent it is cancelled, if it is
    ("quality", 5, None, None),
    ("quality", 17, "some.png", 10),
    ("balanced", 17, "some.png", None),
    ("balanced", 9, None, 70),
    ("fast", 9, None, 40),
    ("fast", 17, None, None),
    ("draft", 17, None, None),
    ("draft", 5, "some.png", 85),
)
MOST_BYTES = 50_000  # of growth a render: less than the latents of 17 frames, which take 61,440
ROUND_S = 600.0

# A heap that gives back at once whatever is freed, so that a hole in it is not taken for a leak:
# mallopt(3), as environment variables. Left alone, it grew by steps of 5 to 10 MiB, seldom.
TIGHT_HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(64 << 10),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 10),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The one whose wake-ups reach the renderer."""
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path / "work" / "wake")
    yield store
    store.close()


@pytest.fixture
def renderer(tmp_path: Path) -> Iterator[Running]:
    """The real process, without the others."""
    images = tmp_path / "inputs" / "images"
    images.mkdir(parents=True)
    (images / "some.png").write_bytes(picture())
    with Stack(tmp_path, env={"HEARTBEAT_S": "1", **TIGHT_HEAP}) as stack:
        yield stack.launch("render")


@pytest.mark.long
def test_a_renderer_that_lives_long_holds_no_more(
    store: Store, renderer: Running, ask: Ask
) -> None:
    """Of each round the least counts: it is what no end of a render gives back."""
    dice = random.Random(1)
    kept = []
    for number in range(ROUNDS):
        cancelled_at = accept_round(store, ask, number, dice)
        kept.append(min(watched(store, renderer, cancelled_at)))
    ends = store.views.counts(0)
    a_render = growth_bytes(kept) / (ROUNDS // 3 * len(KINDS))
    print(
        f"figure: a renderer's memory after {ends[State.RENDERED]} renders and"
        f" {ends[State.CANCELLED]} cancels: {kept[-1] >> 20} MiB, {a_render / 2**20:.4f} MiB more"
        f" a render; the least of each round: {[each >> 20 for each in kept]}"
    )
    assert ends[State.RENDERED] + ends[State.CANCELLED] == ROUNDS * len(KINDS)
    assert ends[State.CANCELLED] >= ROUNDS
    assert a_render < MOST_BYTES


def accept_round(store: Store, ask: Ask, number: int, dice: random.Random) -> dict[str, int | None]:
    """Ask for one render of each kind, in any order; answers at what percent to cancel which."""
    wanted = {}
    for kind in dice.sample(range(len(KINDS)), len(KINDS)):
        preset, num_frames, image, cancelled_at = KINDS[kind]
        request = ask(
            prompt=f"a red circle moves right {number}",
            preset=preset,
            num_frames=num_frames,
            image=image,
            steps=3 if preset == "draft" else 6,
        )
        job_id = f"{number}.{kind}"
        store.jobs.accept(Arrival(job_id, request, "test", "main"), now_ms())
        wanted[job_id] = cancelled_at
    return wanted


def watched(store: Store, renderer: Running, cancelled_at: dict[str, int | None]) -> Iterator[int]:
    """Cancel what is to be cancelled until all have ended; tell the renderer's memory meanwhile."""
    deadline = time.monotonic() + ROUND_S
    while going := store.views.page(len(KINDS), states=[State.QUEUED, State.PROCESSING]):
        for job in going:
            at = cancelled_at[job.job_id]
            if at is not None and job.progress >= at and job.state is State.PROCESSING:
                store.jobs.cancel(job.job_id, now_ms())
        yield anonymous_bytes(renderer.pid)
        renderer.check()
        assert time.monotonic() < deadline, "the round did not come to its end"
        time.sleep(0.02)
