"""How a request is rendered: as fast as the machine can, or in another, slower way.

The safe mode is for a result that was rejected. It has the same seed, begins at the first step, and
takes no shortcut that the usual mode takes: no step cache, no checkpoint, nothing that the settings
say of speed; the decoder computes in float32, in narrow bands, and attention goes through another
kernel of torch where there is one.

It can help against what happened once (a flipped bit, a race) and against a fault of one kernel or
of one precision. It cannot help against broken weights, or a request from which nothing else comes:
the same latents, up to rounding, are decoded to the same frames, up to rounding.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from runner.render.ladder import Rung


@dataclass(frozen=True)
class Mode:
    """One way to render.

    `rungs` are tried to decode, the first first; `precision` is that of the decoder, None for the
    one it was loaded in; `kernels` of attention are taken in this order, none for torch's choice.
    `skips`: what was done before is made use of, passes that change little are left out, and the
    settings of the transformer's speed count.
    """

    name: str
    rungs: tuple[Rung, ...]
    precision: torch.dtype | None = None
    kernels: tuple[SDPBackend, ...] = ()
    skips: bool = True

    def attention(self) -> AbstractContextManager[None]:
        """Choose the kernels of attention for as long as this is open."""
        return sdpa_kernel(list(self.kernels), set_priority=True) if self.kernels else nullcontext()


USUAL = Mode("usual", tuple(Rung))
SAFE = Mode(
    "safe",
    (Rung.NARROW, Rung.ALONE),
    torch.float32,
    # The plain kernel is last: it would need 35 GB for the 27,280 tokens of 1280x704x121.
    (SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH),
    skips=False,
)
