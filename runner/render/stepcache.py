"""The step cache: passes through the transformer whose change is foreseeable are left out.

From one step to the next the change that the blocks make hardly differs, so the one of the step
before can be used again. How much its size differs is known in advance for a model (its ratios);
as long as what that adds up to stays below a threshold, the pass is not made.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import MagCacheConfig
from diffusers.hooks.mag_cache import nearest_interp

SKIPS_MOST = 2  # passes in a row
KEPT_SHARE = 0.2  # of the steps, the first ones: each is computed


@contextmanager
def caching(
    transformer: Any, ratios: Sequence[float], threshold: float, steps: int, done: int = 0
) -> Iterator[None]:
    """Let a transformer leave out passes during one render.

    Args:
        transformer: the one of the pipelines.
        ratios: those of the model, in a render of any number of steps.
        threshold: how much the expected error may add up to.
        steps: of this render.
        done: of these, how many were made before it was taken up again: what they left to be used
            again is gone, so it goes on with a computed one.

    Source:
        github.com/Zehong-Ma/MagCache at df81cb18, as diffusers has it (hooks/mag_cache.py); at most
        two in a row and the first fifth computed are what its authors used for this model.
    """
    own = nearest_interp(torch.tensor(ratios), steps)[done:]
    left = steps - done
    config = MagCacheConfig(
        threshold=threshold,
        max_skip_steps=SKIPS_MOST,
        retention_ratio=max(0, round(KEPT_SHARE * steps) - done) / left if left else 0.0,
        num_inference_steps=left,
        mag_ratios=own,
    )
    transformer.enable_cache(config)
    try:
        yield
    finally:
        transformer.disable_cache()


def computed(ratios: Sequence[float], threshold: float, steps: int) -> int:
    """Foretell how many steps of a render are computed."""
    ratio, error, skipped, count = 1.0, 0.0, 0, 0
    for step, own in enumerate(nearest_interp(torch.tensor(ratios), steps).tolist()):
        if step >= round(KEPT_SHARE * steps):
            ratio, skipped = ratio * own, skipped + 1
            error += abs(1 - ratio)
            if error <= threshold and skipped <= SKIPS_MOST:
                continue
            ratio, error, skipped = 1.0, 0.0, 0
        count += 1
    return count
