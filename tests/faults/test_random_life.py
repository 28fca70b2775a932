"""Whatever is cancelled, killed and restarted: every job in its right end, one object for each, no
scrap, progress that never goes back, and a renderer whose memory stays flat."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from flatness import growth_bytes
from jobstore.job import Request
from jobstore.store import Store
from local.stack import Stack
from random_life import Life, picture

SHORT_S, LONG_S = 12.0, 600.0
SLACK_BYTES = 16 << 20  # for holes in the heap: `test_memory.py` looks for leaks, without these
ENV = {"HEARTBEAT_S": "1", "POLL_S": "1"}


@pytest.mark.parametrize(
    "lasts_s", [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_a_random_life(tmp_path: Path, ask: Callable[..., Request], lasts_s: float) -> None:
    """Its seed is printed; the same one gives the same wishes, at about the same moments."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"figure: a random life of {lasts_s:.0f} s with the seed {seed}")
    with Stack(tmp_path, env=ENV) as stack:
        stack.start()
        images = tmp_path / "inputs" / "images"
        images.mkdir(parents=True, exist_ok=True)
        (images / "some.png").write_bytes(picture())
        store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", tmp_path / "work" / "wake")
        life = Life(stack, store, random.Random(seed), ask)
        life.live(lasts_s)
        print(f"figure: {dict(life.done)} to {dict(life.check())}")
        deadline = time.monotonic() + 60
        while scraps := life.scraps():
            assert time.monotonic() < deadline, f"nobody swept {scraps}"
            time.sleep(0.05)
        growth = growth_bytes(life.memory)
        print(
            f"figure: the renderer held {median(life.memory) / 2**20:.0f} MiB, at most"
            f" {max(life.memory) >> 20}; in the last third of the quiet time"
            f" {growth / 2**20:.1f} MiB more than in the second"
        )
        assert lasts_s < LONG_S or growth <= SLACK_BYTES
        store.close()
