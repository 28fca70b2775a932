"""How many bytes of tensors are alive, counted from outside while any code runs."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FLASH_HEAD = 256


class Live(TorchDispatchMode):
    """Count the storage behind every tensor that is made while this is entered, until it is gone.

    To be entered within `torch.inference_mode()`, as renders are: otherwise attention is taken
    apart before it is seen here.

    Weights that were there before are not seen, nor what a kernel takes inside itself (cuDNN's
    workspace), nor the allocator's fragments. A tensor on the meta device has a shape and no data,
    but lives as long as a real one would: what would move it to the CPU gets zeros there.
    """

    def __init__(self, counts: Callable[[torch.Tensor], bool]) -> None:
        """Count the tensors of which this is true."""
        super().__init__()
        self.counts = counts
        self.bytes = 0
        self.peak_bytes = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation, in its parts if it has some, and look at what each makes."""
        del types
        kwargs = kwargs or {}
        if operation is torch.ops.aten.scaled_dot_product_attention.default and fits_flash(*args):
            with self:
                return torch.ops.aten._scaled_dot_product_flash_attention.default(*args[:3])[0]
        with self:
            made = operation.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        if operation is torch.ops.aten._to_copy.default and leaves_the_card(args[0], **kwargs):
            made = torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        else:
            made = operation(*args, **kwargs)
        given = {id(storage): storage for storage in storages((args, kwargs))}
        for tensor in tensors(made):
            if id(tensor.untyped_storage()) not in given:  # else it is a view, and makes nothing
                self._see(tensor)
        return made

    def _see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._known or not self.counts(tensor):
            return

        def gone(_reference: object) -> None:
            del self._known[key]
            self.bytes -= size

        self._known[key] = weakref.ref(storage, gone)
        self.bytes += size
        self.peak_bytes = max(self.peak_bytes, self.bytes)


def tensors(nested: Any) -> list[torch.Tensor]:
    """Find all tensors in lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, torch.Tensor)]


def storages(nested: Any) -> list[torch.UntypedStorage]:
    """Find what lies behind all tensors in lists, tuples and dicts."""
    return [tensor.untyped_storage() for tensor in tensors(nested)]


def fits_flash(query: torch.Tensor, *_others: object) -> bool:
    """Whether a GPU would take its flash kernel, which holds no table of all pairs of tokens.

    Source:
        pytorch aten/src/ATen/native/transformers/cuda/sdp_utils.cpp: half precision, heads of at
        most 256. Without a card the library itself would choose the plain way.
    """
    half = query.dtype in {torch.bfloat16, torch.float16}
    return query.device.type == "meta" and half and query.shape[-1] <= FLASH_HEAD


def leaves_the_card(tensor: torch.Tensor, *, device: Any = None, **_others: object) -> bool:
    """Whether a tensor without data is to become one with data."""
    return (
        tensor.device.type == "meta" and device is not None and torch.device(device).type == "cpu"
    )
