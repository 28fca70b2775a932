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

from jobstore.job import Request
from runner.render.model import Model

SKIPS_MOST = 2  # passes in a row
KEPT_SHARE = 0.2  # of the steps, the first ones: each is computed


@contextmanager
def caching(model: Model, request: Request, done: int) -> Iterator[None]:
    """Let the transformer leave out passes during one render, if the preset is for that.

    Args:
        model: whose transformer and ratios.
        request: of this render.
        done: how many steps were made before it was taken up again: what they left to be used
            again is gone, so it goes on with a computed one.

    Source:
        github.com/Zehong-Ma/MagCache at df81cb18, as diffusers has it (hooks/mag_cache.py); at most
        two in a row and the first fifth computed are what its authors used for this model.
    """
    threshold = model.abilities.presets[request.preset].cache_threshold
    left = request.steps - done
    if threshold is None or not left:
        yield
        return
    ratios = torch.tensor(model.abilities.mag_ratios[request.task])
    transformer: Any = model.text.transformer
    transformer.enable_cache(
        MagCacheConfig(
            threshold=threshold,
            max_skip_steps=SKIPS_MOST,
            retention_ratio=max(0, kept(request.steps) - done) / left,
            num_inference_steps=left,
            mag_ratios=nearest_interp(ratios, request.steps)[done:],
        )
    )
    try:
        yield
    finally:
        transformer.disable_cache()


def kept(steps: int) -> int:
    """Tell how many steps at the beginning are computed."""
    return int(KEPT_SHARE * steps + 0.5)


def computed(ratios: Sequence[float], threshold: float, steps: int) -> int:
    """Foretell how many steps of a render are computed."""
    ratio, error, skipped, count = 1.0, 0.0, 0, 0
    for step, own in enumerate(nearest_interp(torch.tensor(ratios), steps).tolist()):
        if step >= kept(steps):
            ratio, skipped = ratio * own, skipped + 1
            error += abs(1 - ratio)
            if error <= threshold and skipped <= SKIPS_MOST:
                continue
            ratio, error, skipped = 1.0, 0.0, 0
        count += 1
    return count
