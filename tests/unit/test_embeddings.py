"""Embeddings are those of the stock pipeline, made once, and never taken from a bad file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from structlog.testing import capture_logs

import text_encoders
from runner.render.embeddings import Embeddings
from runner.render.text import TextEncoder
from runner.render.weights.read import WeightsBroken
from text_encoders import CPU, TEXTS

TEXT = "a red circle moves right"


class Kept:
    """A copy of the embedded model's encoder, and a folder for what it makes."""

    def __init__(self, embedded: Path, folder: Path) -> None:
        self.weights = folder / "checkpoint" / "text_encoder"
        self.folder = folder / "work" / "embeddings"
        self.words = text_encoders.tokenizer(embedded)
        shutil.copytree(embedded / "text_encoder", self.weights)

    def embeddings(
        self,
        revision: str = "first",
        dtype: torch.dtype = torch.float32,
        room_bytes: int = 1 << 20,
    ) -> Embeddings:
        encoder = TextEncoder(self.weights.parent, self.words, CPU, dtype)
        return Embeddings(self.folder, encoder, revision, room_bytes)

    def files(self) -> set[Path]:
        return set(self.folder.iterdir())

    def make(self, embeddings: Embeddings, text: str) -> Path:
        """Embed a new text; answers its file."""
        before = self.files() if self.folder.exists() else set()
        embeddings.of([text])
        [file] = self.files() - before
        return file


@pytest.fixture
def kept(embedded: Path, tmp_path: Path) -> Kept:
    return Kept(embedded, tmp_path)


def test_embeddings_are_those_of_the_stock_pipeline(kept: Kept, embedded: Path) -> None:
    """It runs the padding too, so sums are rounded in another order; the zeros are the same."""
    stock = WanPipeline.from_pretrained(
        embedded, transformer=None, vae=None, dtype=torch.float32, local_files_only=True
    )
    embeddings = kept.embeddings()
    for _ in ("made", "kept"):
        ours = embeddings.of(TEXTS)
        for text, rows in zip(TEXTS, ours, strict=True):
            expected, _ = stock.encode_prompt(
                text, do_classifier_free_guidance=False, max_sequence_length=512
            )
            assert rows.shape == expected.shape == (1, 512, 64)
            assert torch.equal(rows.any(-1), expected.any(-1))
            assert torch.allclose(rows, expected, rtol=0, atol=2e-5), text


def test_what_is_kept_needs_no_weights(kept: Kept) -> None:
    embeddings = kept.embeddings()
    made = embeddings.of([TEXT, ""])
    shutil.rmtree(kept.weights)
    found = embeddings.of(["", "  a red\ncircle &#109;oves right "])
    assert torch.equal(found[0], made[1])
    assert torch.equal(found[1], made[0])
    with pytest.raises(WeightsBroken, match=r"model\.safetensors"):
        embeddings.of([TEXT, "something new"])


def test_only_what_is_new_is_encoded_and_once(kept: Kept) -> None:
    embeddings = kept.embeddings()
    first, again = embeddings.of([TEXT, TEXT])
    assert torch.equal(first, again)
    [file] = kept.files()
    before = file.stat().st_ino
    both = embeddings.of([TEXT, "blue"])
    assert torch.equal(both[0], first)
    assert not torch.equal(both[1], first)
    assert file.stat().st_ino == before, "it was not written again"
    assert len(kept.files()) == 2


def test_another_revision_or_precision_makes_its_own(kept: Kept) -> None:
    embeddings = kept.embeddings()
    others = kept.embeddings("second"), kept.embeddings(dtype=torch.bfloat16)
    embeddings.of([TEXT])
    weights = kept.weights.rename(kept.weights.with_name("away"))
    for other in others:
        with pytest.raises(WeightsBroken):
            other.of([TEXT])
    weights.rename(kept.weights)
    for other in others:
        other.of([TEXT])
    assert len(kept.files()) == 3
    assert others[1].of([TEXT])[0].dtype == torch.bfloat16


def flip(position: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    return change


@pytest.mark.parametrize(
    "harm",
    [
        lambda _content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:-64] + bytes(64),
        flip(0),
        flip(-1),
    ],
)
def test_a_torn_file_is_made_anew(harm: Callable[[bytes], bytes], kept: Kept) -> None:
    embeddings = kept.embeddings()
    [made] = embeddings.of([TEXT])
    [file] = kept.files()
    file.write_bytes(harm(file.read_bytes()))
    assert torch.equal(embeddings.of([TEXT])[0], made)
    shutil.rmtree(kept.weights)
    assert torch.equal(embeddings.of([TEXT])[0], made), "the file is whole again"


def test_the_file_of_another_text_is_made_anew(kept: Kept) -> None:
    embeddings = kept.embeddings()
    other = kept.make(embeddings, "blue")
    [made] = embeddings.of([TEXT])
    [file] = kept.files() - {other}
    shutil.copy(other, file)
    assert torch.equal(embeddings.of([TEXT])[0], made)


def test_the_folder_stays_small_and_loses_what_was_not_used_for_longest(kept: Kept) -> None:
    files = [kept.make(kept.embeddings(), text) for text in ("red", "blue", "green", "a", "an")]
    debris = kept.folder / ".killed.safetensors.part"
    debris.write_bytes(bytes(100))
    for age_s, file in enumerate([debris, *files], 100):
        os.utime(file, (age_s, age_s))
    room_bytes = sum(file.stat().st_size for file in files[:3])
    embeddings = kept.embeddings(room_bytes=room_bytes)
    embeddings.of(["red"])
    new = kept.make(embeddings, "the")
    assert kept.files() == {files[0], files[4], new}
    assert sum(file.stat().st_size for file in kept.files()) <= room_bytes


def test_a_disk_that_keeps_nothing_fails_no_job(kept: Kept) -> None:
    kept.folder.parent.mkdir()
    kept.folder.write_text("no folder", encoding="utf-8")
    embeddings = kept.embeddings()
    with capture_logs() as logs:
        first, again = embeddings.of([TEXT]), embeddings.of([TEXT])
    assert torch.equal(first[0], again[0])
    assert [log["event"] for log in logs] == ["embedding.unkept"] * 2
