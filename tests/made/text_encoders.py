"""Checkpoints of text encoders in all the shapes in which they are found, and their tokenizer.

Run as a program, it tells how much anonymous memory the encoding of a text takes.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

from runner.render.text import OWN_ROWS, SHARED_ROWS, TextEncoder

CPU = torch.device("cpu")
TEXTS = [
    "",
    "a red circle moves right",
    "The Big circle, " * 200,
    "一个红色的圆圈向右移动，背景是蓝色的",
    "🔴➡️ circle 👩‍👩‍👧",
    "red &amp;lt;b&amp;gt; &eacute;\tblue\n\n  ﬁsh",
]


def make(checkpoint: Path, dtype: torch.dtype, shard_size: str = "5GB", **shape: int) -> Path:
    """Write a text encoder with random weights; answers the folder of its files."""
    usual = {"vocab_size": 256, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_heads": 4}
    config = UMT5Config(**usual | {"num_layers": 3} | shape, dropout_rate=0.1)
    torch.manual_seed(5)
    folder = checkpoint / "text_encoder"
    UMT5EncoderModel(config).to(dtype).save_pretrained(folder, max_shard_size=shard_size)
    return folder


def name_rows(folder: Path, names: set[str]) -> None:
    """Let the embedding go by these names, in whichever file it is."""
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        if SHARED_ROWS in tensors:
            rows = tensors.pop(SHARED_ROWS)
            tensors |= {name: rows.clone() + (name == OWN_ROWS) for name in names}
            save_file(tensors, file, {"format": "pt"})


def tokenizer(checkpoint: Path) -> T5Tokenizer:
    return T5Tokenizer.from_pretrained(checkpoint / "tokenizer", local_files_only=True)


def anonymous_bytes() -> int:
    """How much memory of this process the kernel cannot simply drop."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@contextmanager
def watched(samples: list[int]) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.0005):
            samples.append(anonymous_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    done.set()
    thread.join()


def main(embedded: Path, checkpoint: Path, dtype: str) -> None:
    words, text = tokenizer(embedded), ["a red circle moves right", ""]
    TextEncoder(embedded, words, CPU, torch.float32).encode(text)  # the libraries warm up
    encoder = TextEncoder(checkpoint, words, CPU, getattr(torch, dtype))
    samples = [anonymous_bytes()]
    with watched(samples):
        encoder.encode(text)
    print(max(samples) - samples[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
