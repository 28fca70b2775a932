"""A file of tensors written one at a time is what the library reads, and appears whole or not."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from runner.render.weights.write import write

TENSORS = {
    "half": torch.arange(15, dtype=torch.float32).reshape(3, 5).to(torch.bfloat16),
    "whole": torch.linspace(-1, 1, 7),
    "single": torch.tensor(4.0),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.empty(0, 3),
}
LIKE = {name: torch.empty_like(tensor, device="meta") for name, tensor in TENSORS.items()}


def test_what_is_written_is_read_by_the_library(tmp_path: Path) -> None:
    size_bytes = write(tmp_path / "it.safetensors", LIKE, TENSORS.__getitem__)
    read = load_file(tmp_path / "it.safetensors")
    assert set(read) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor), name
    assert size_bytes == (tmp_path / "it.safetensors").stat().st_size


def test_only_one_tensor_is_alive_at_a_time(tmp_path: Path) -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def make(name: str) -> torch.Tensor:
        gc.collect()
        assert sum(reference() is not None for reference in made) <= 1
        tensor = TENSORS[name].clone()
        made.append(weakref.ref(tensor))
        return tensor

    write(tmp_path / "it.safetensors", LIKE, make)
    assert len(made) == len(TENSORS)


@pytest.mark.parametrize("wrong", [torch.zeros(2), torch.zeros(7, dtype=torch.bfloat16)])
def test_a_tensor_of_another_kind_leaves_nothing_behind(
    tmp_path: Path, wrong: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match="whole became"):
        write(tmp_path / "it.safetensors", LIKE, (TENSORS | {"whole": wrong}).__getitem__)
    assert not list(tmp_path.iterdir())
