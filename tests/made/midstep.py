"""Acting in the middle of a render, just before some module of the model is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from diffusers.models.transformers.transformer_wan import (
    WanTransformer3DModel,
    WanTransformerBlock,
)
from torch.nn.modules.module import register_module_forward_pre_hook


@dataclass
class Calls:
    """How often modules were called, and which transformers and blocks were among them."""

    count: int = 0
    transformers: set[WanTransformer3DModel] = field(default_factory=set)
    blocks: set[WanTransformerBlock] = field(default_factory=set)


@contextmanager
def before_call(number: int, act: Callable[[], object], kind: type = object) -> Iterator[Calls]:
    """Count the calls of any module of a kind, in any phase, and act just before one of them."""
    calls = Calls()

    def count(module: object, _given: object) -> None:
        if isinstance(module, WanTransformer3DModel):
            calls.transformers.add(module)
        if isinstance(module, WanTransformerBlock):
            calls.blocks.add(module)
        if isinstance(module, kind):
            calls.count += 1
            if calls.count == number:
                act()

    handle = register_module_forward_pre_hook(count)
    try:
        yield calls
    finally:
        handle.remove()
