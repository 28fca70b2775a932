"""Writing a file of tensors one at a time, so that none but the present one is in memory."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from jobstore.files import publish

DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
ALIGNMENT = 8


def write(path: Path, like: Mapping[str, torch.Tensor], make: Callable[[str], torch.Tensor]) -> int:
    """Write a file in the format of safetensors; it appears whole.

    Args:
        path: where it goes; its folder exists.
        like: the name of each tensor, and one of the shape and dtype it will have; without data,
            on the meta device.
        make: makes a tensor when its turn comes. It is written and dropped before the next.

    Returns:
        Size of the file, in bytes.

    Raises:
        ValueError: a tensor has another shape or dtype than was said.
        OSError: the disk is full.

    Source:
        github.com/huggingface/safetensors, "Format": the length of the header in eight bytes,
        little end first; the header, JSON that may end in spaces; then the tensors without gaps.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in like.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        kind = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape)}
        header[name] = {**kind, "data_offsets": [begin, end]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % ALIGNMENT)
    work = path.with_name(f".{path.name}.part")
    try:
        with work.open("wb") as file:
            file.write(len(encoded).to_bytes(8, "little") + encoded)
            for name, tensor in like.items():
                made = make(name)
                if (made.shape, made.dtype) != (tensor.shape, tensor.dtype):
                    message = f"{name} became {made.dtype} {list(made.shape)}, not as was said"
                    raise ValueError(message)
                file.write(made.contiguous().view(-1).view(torch.uint8).numpy().data)
        publish(work, path)
    finally:
        work.unlink(missing_ok=True)
    return path.stat().st_size
