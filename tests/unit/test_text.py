"""The streamed text encoder gives what transformers gives, and never holds more than a block."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Tokenizer, UMT5EncoderModel

import text_encoders
from runner.render.text import OWN_ROWS, SHARED_ROWS, TextEncoder
from runner.render.weights.read import WHOLE, WeightsBroken
from text_encoders import CPU, TEXTS

INDEX = f"{WHOLE}.index.json"


@pytest.fixture
def words(embedded: Path) -> T5Tokenizer:
    return text_encoders.tokenizer(embedded)


def assert_streamed_is_whole(checkpoint: Path, words: T5Tokenizer, dtype: torch.dtype) -> None:
    """Bit for bit, each text as if it were the only one."""
    whole = UMT5EncoderModel.from_pretrained(checkpoint / "text_encoder", dtype=dtype).eval()
    streamed = TextEncoder(checkpoint, words, CPU, dtype).encode(TEXTS)
    for text, rows in zip(TEXTS, streamed, strict=True):
        tokens = words(text, max_length=512, truncation=True, return_tensors="pt")
        with torch.no_grad():
            expected = whole(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
        assert rows.dtype == dtype
        assert torch.equal(rows, expected), text


def test_the_embedded_model_streamed_is_the_embedded_model_whole(
    embedded: Path, words: T5Tokenizer
) -> None:
    assert_streamed_is_whole(embedded, words, torch.float32)


@pytest.mark.parametrize("names", [{SHARED_ROWS}, {OWN_ROWS}, {SHARED_ROWS, OWN_ROWS}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_files_streamed_are_the_model_whole(
    names: set[str], dtype: torch.dtype, tmp_path: Path, words: T5Tokenizer
) -> None:
    """Where both names of the embedding hold different rows, the encoder's own are right."""
    folder = text_encoders.make(tmp_path, dtype, shard_size="50KB")
    text_encoders.name_rows(folder, names)
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    holder = index["weight_map"].pop(SHARED_ROWS)
    index["weight_map"] |= dict.fromkeys(names, holder)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    assert len(list(folder.glob("model-*.safetensors"))) > 3
    assert_streamed_is_whole(tmp_path, words, dtype)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_files_in_half_precision_run_in_full(
    stored: torch.dtype, tmp_path: Path, words: T5Tokenizer
) -> None:
    text_encoders.make(tmp_path, stored)
    assert_streamed_is_whole(tmp_path, words, torch.float32)


def test_a_text_becomes_the_same_whatever_stands_beside_it(
    embedded: Path, words: T5Tokenizer
) -> None:
    encoder = TextEncoder(embedded, words, CPU, torch.float32)
    for text, rows in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        assert torch.equal(rows, encoder.encode([text])[0])


@pytest.mark.parametrize(("dtype", "blocks"), [("float32", 1.5), ("bfloat16", 0.5)])
def test_no_more_than_one_block_is_ever_in_memory(
    dtype: str, blocks: float, embedded: Path, tmp_path: Path
) -> None:
    """Files in bfloat16: run in float32 one block is converted at a time, run as they are none."""
    shape = {"d_model": 1024, "d_kv": 64, "d_ff": 2816, "num_heads": 16, "num_layers": 8}
    folder = text_encoders.make(tmp_path, torch.bfloat16, "100MB", vocab_size=50_000, **shape)
    files_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert files_bytes > 300_000_000
    command = [sys.executable, text_encoders.__file__, str(embedded), str(tmp_path), dtype]
    grown_bytes = int(subprocess.check_output(command, text=True))
    block_bytes = (4 * 1024 * 1024 + 3 * 1024 * 2816) * torch.float32.itemsize
    print(f"figure: text encoder of {files_bytes >> 20} MiB, {dtype}: {grown_bytes >> 20} MiB held")
    assert grown_bytes < blocks * block_bytes


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def rewrite(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def act(file: Path) -> None:
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return act


NORM = "encoder.final_layer_norm.weight"
FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    (WHOLE, Path.unlink, WHOLE),
    (WHOLE, cut, WHOLE),
    (WHOLE, lambda file: file.write_bytes(b"version https://git-lfs.github.com"), WHOLE),
    (WHOLE, rewrite(lambda tensors: tensors.pop(NORM)), NORM),
    (WHOLE, rewrite(lambda tensors: tensors.pop(SHARED_ROWS)), SHARED_ROWS),
    (WHOLE, rewrite(lambda tensors: tensors.update({NORM: torch.ones(63)})), NORM),
    ("config.json", Path.unlink, "config.json"),
    ("config.json", cut, "config.json"),
    ("config.json", lambda file: file.write_text("[]"), "config.json"),
]


@pytest.mark.parametrize(("name", "act", "named"), FAULTS)
def test_a_fault_of_the_files_is_named_when_the_model_is_loaded(
    name: str, act: Callable[[Path], object], named: str, tmp_path: Path, words: T5Tokenizer
) -> None:
    folder = text_encoders.make(tmp_path, torch.float32)
    act(folder / name)
    with pytest.raises(WeightsBroken, match=named) as caught:
        TextEncoder(tmp_path, words, CPU, torch.float32)
    assert str(folder) in str(caught.value)
    assert "download" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", '{"weight_map": 1}', '{"weight_map": {"a": "b"}}'])
def test_an_index_that_is_none_is_named(content: str, tmp_path: Path, words: T5Tokenizer) -> None:
    folder = text_encoders.make(tmp_path, torch.float32, shard_size="100KB")
    (folder / INDEX).write_text(content, encoding="utf-8")
    with pytest.raises(WeightsBroken, match=rf"text_encoder/({INDEX}|b)"):
        TextEncoder(tmp_path, words, CPU, torch.float32)


def test_files_that_are_lost_later_are_named(tmp_path: Path, words: T5Tokenizer) -> None:
    folder = text_encoders.make(tmp_path, torch.float32)
    encoder = TextEncoder(tmp_path, words, CPU, torch.float32)
    shutil.move(folder / WHOLE, tmp_path)
    with pytest.raises(WeightsBroken, match=WHOLE):
        encoder.encode(["a circle"])
    shutil.move(tmp_path / WHOLE, folder)
    assert encoder.encode(["a circle"])


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_weights_that_say_nothing_are_no_embedding(
    value: float, tmp_path: Path, words: T5Tokenizer
) -> None:
    """An embedding left at zero made whole versions of a library render garbage."""
    folder = text_encoders.make(tmp_path, torch.float32)
    rewrite(lambda tensors: tensors[SHARED_ROWS].fill_(value))(folder / WHOLE)
    with pytest.raises(WeightsBroken, match="text_encoder"):
        TextEncoder(tmp_path, words, CPU, torch.float32).encode(["a circle"])
