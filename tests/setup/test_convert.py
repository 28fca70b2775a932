"""The converted transformer is what the library makes of the published one, in little memory."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file

import repositories
from runner.render.weights.convert import convert
from runner.render.weights.read import WeightsBroken
from setting_up import CONVERTED, SHARD, contents


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(repository / "transformer", tmp_path / "transformer")
    return tmp_path


def loaded(folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    model = WanTransformer3DModel.from_pretrained(
        folder, subfolder="transformer", dtype=dtype, local_files_only=True
    )
    tensors: dict[str, torch.Tensor] = model.state_dict()
    return tensors


def test_loaded_in_bfloat16_both_are_the_same(folder: Path, repository: Path) -> None:
    convert(folder)
    for shard in folder.glob("transformer/*-of-*"):
        shard.unlink()
    (folder / f"{CONVERTED}.index.json").unlink()
    theirs, ours = (loaded(where, torch.bfloat16) for where in (repository, folder))
    assert set(theirs) == set(ours)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype, name
        assert torch.equal(ours[name], tensor), name
    dtypes = {name: tensor.dtype for name, tensor in load_file(folder / CONVERTED).items()}
    assert dtypes == {name: tensor.dtype for name, tensor in theirs.items()}
    assert set(dtypes.values()) == {torch.float32, torch.bfloat16}


def test_shards_are_read_even_beside_an_earlier_result(folder: Path) -> None:
    convert(folder)
    before = contents(folder)
    (folder / CONVERTED).write_bytes(b"half")
    convert(folder)
    assert contents(folder) == before


def test_a_missing_shard_leaves_nothing_behind(folder: Path) -> None:
    (folder / SHARD).unlink()
    before = contents(folder)
    with pytest.raises(WeightsBroken, match=Path(SHARD).name):
        convert(folder)
    assert contents(folder) == before


def test_memory_stays_far_below_the_size(tmp_path: Path) -> None:
    repositories.transformer(24, heads=16).save_pretrained(
        tmp_path / "transformer", max_shard_size="150MB"
    )
    shards = list(tmp_path.glob("transformer/*-of-*"))
    total = sum(file.stat().st_size for file in shards)
    assert (len(shards) > 2, total > 400_000_000) == (True, True)
    command = [sys.executable, repositories.__file__, str(tmp_path)]
    grown = int(subprocess.check_output(command, text=True).split()[-1])
    print(f"figure: conversion of {total >> 20} MiB in float32: {grown >> 10} KiB held")
    assert grown < total / 10
