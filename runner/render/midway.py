"""Ending a render in the middle of a step, which at full size takes 22 s; a block takes 0.4 s."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from runner.render.model import Model


@contextmanager
def midway(model: Model, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before each block of the transformer; whatever it raises ends the render there.

    What is computed on a card is only asked for here, up to a thousand kernels ahead, which is most
    of a pass. So that an end is one there too, the asking waits until the card has come to the
    block before: the asking is then one block ahead, so that the card has work meanwhile.

    Args:
        model: whose transformer; afterwards it has the hooks it had before.
        check: takes microseconds, and changes nothing when it does not raise.
    """
    transformer: Any = model.text.transformer
    follow = follow_card() if model.device.type == "cuda" else None

    def before_block(_block: torch.nn.Module, _given: tuple[Any, ...]) -> None:
        if follow:
            follow()
        check()

    hooks = [block.register_forward_pre_hook(before_block) for block in transformer.blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def follow_card() -> Callable[[], None]:
    """Make what waits, at each call, until the card has done what was asked before the last one."""
    events = [torch.cuda.Event(blocking=True) for _ in range(2)]

    def follow() -> None:
        events.reverse()
        events[0].record()
        events[1].synchronize()

    return follow
