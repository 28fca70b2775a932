"""The set-up of the weights as a process of its own, against a hub on loopback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
COMMAND = [sys.executable, "-P", "-m", "runner.render.weights"]
CONVERTED = "transformer/diffusion_pytorch_model.safetensors"
SHARD = "transformer/diffusion_pytorch_model-00001-of-00003.safetensors"
CHUNK = 10 << 20  # bytes that the client writes at once
VAE = "vae/diffusion_pytorch_model.safetensors"


def environment(url: str, **env: str) -> dict[str, str]:
    return os.environ | {"HF_ENDPOINT": url} | env


def run_with(url: str, *words: object, **env: str) -> Done:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        env=environment(url, **env),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files, hidden ones too."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def flip(file: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)
