"""The tensors of a checkpoint part, read from memory-mapped files only when they are asked for.

A mapped page is the file's own in the page cache: the kernel may drop it again, so that reading
costs no memory that would have to be kept.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

# How transformers and diffusers name a file; cut in several, they add an index.
WHOLE, DIFFUSERS = "model.safetensors", "diffusion_pytorch_model.safetensors"


class WeightsBroken(OSError):
    """Files of the checkpoint are missing or broken.

    No job is at fault: let them wait, and have a person download the checkpoint again.
    """

    def __init__(self, path: Path, fault: object) -> None:
        """Name the file or folder, and what is wrong with it."""
        super().__init__(f"{path}: {fault}; download this part of the checkpoint again")


class Weights:
    """The tensors of one folder, by name. No error is left in the files once they are opened."""

    def __init__(self, folder: Path, files: Mapping[str, Any]) -> None:
        """Know for each name the opened file that holds it."""
        self._folder = folder
        self._files = files

    def names(self) -> list[str]:
        """List the tensors."""
        return list(self._files)

    def shape(self, name: str) -> torch.Size | None:
        """Tell the shape of a tensor without reading it; None if there is no such tensor."""
        if name not in self._files:
            return None
        return torch.Size(self._files[name].get_slice(name).get_shape())

    def check(self, name: str, shape: torch.Size) -> None:
        """Make sure that there is a tensor of this shape.

        Raises:
            WeightsBroken: there is none.
        """
        if self.shape(name) != shape:
            fault = f"{name} should have the shape {list(shape)}, and has {self.shape(name)}"
            raise WeightsBroken(self._folder, fault)

    def read(self, name: str) -> torch.Tensor:
        """Read a tensor: pages of the file, as long as it is not converted or moved."""
        tensor: torch.Tensor = self._files[name].get_tensor(name)
        return tensor

    def holds(self, dtype: str) -> bool:
        """Tell whether any tensor has a dtype, by its name in the format: `BF16`, `F32`."""
        return any(file.get_slice(name).get_dtype() == dtype for name, file in self._files.items())

    def rows(self, name: str, numbers: list[int]) -> torch.Tensor:
        """Read some rows of a matrix and no others: shape (row, column)."""
        matrix = self._files[name].get_slice(name)
        return torch.stack([matrix[number] for number in numbers])


@contextmanager
def opened(folder: Path, files: list[Path] | None = None) -> Iterator[Weights]:
    """Open the files of one part of a checkpoint.

    Args:
        folder: the part.
        files: those that hold its tensors; else as transformers names them, one or by an index.

    Raises:
        WeightsBroken: a file is missing, is cut off, or is none of its kind.
    """
    with ExitStack() as stack:
        holders = {}
        for path in files or paths(folder):
            try:
                file = stack.enter_context(safe_open(path, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise WeightsBroken(path, error) from error
            holders.update(dict.fromkeys(file.keys(), file))
        yield Weights(folder, holders)


def paths(folder: Path, whole: str = WHOLE) -> list[Path]:
    """List the files that hold the tensors.

    Raises:
        WeightsBroken: the index is none.
    """
    index = folder / f"{whole}.index.json"
    if (folder / whole).exists() or not index.exists():
        return [folder / whole]
    return indexed(index)


def indexed(index: Path) -> list[Path]:
    """List the files that an index of tensors names.

    Raises:
        WeightsBroken: the index is none.
    """
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsBroken(index, f"it is no index of weights ({error!r})") from error
    return [index.parent / name for name in sorted(names)]
