"""What texts mean to the model, kept on the disk: each is encoded once on a machine.

Above all the negative prompt, which is nearly always the same.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from structlog.stdlib import get_logger

from jobstore.files import write_whole
from runner.render.text import TEXT_TOKENS, TextEncoder, unheard

log = get_logger()

FORMAT = 1
ROOM_BYTES = 256 << 20  # an embedding of the 5B takes 8 KiB per token, so 4 MiB at most


class Embeddings:
    """The embeddings of texts, from the disk or else from the encoder, for one caller at a time.

    A second one waits: what it asks for is probably just being made.
    """

    def __init__(
        self, folder: Path, encoder: TextEncoder, revision: str, room_bytes: int = ROOM_BYTES
    ) -> None:
        """Keep embeddings in a folder, of which nobody else makes use.

        Args:
            folder: is made when it is first needed.
            encoder: makes what is not there.
            revision: of the model; what another one made is never used.
            room_bytes: how large the folder may become; what was not used for longest goes first.
        """
        self._folder = folder
        self._encoder = encoder
        self._revision = revision
        self._room_bytes = room_bytes
        self._alone = threading.Lock()

    def of(self, texts: Sequence[str], tell: Callable[[int], None] = unheard) -> list[torch.Tensor]:
        """Embed texts as the pipelines would: each of shape (1, token=512, width), on the CPU.

        Rows past the text are zero. The model was trained with them: they are no mere filling.

        Args:
            texts: any number.
            tell: called with the percent that is encoded; what it raises ends the encoding.

        Raises:
            WeightsBroken: a text is new, and the files of the encoder are missing or broken.
        """
        cleaned = [prompt_clean(text) for text in texts]
        with self._alone:
            known = {text: rows for text in cleaned if (rows := self._find(text)) is not None}
            new = sorted(set(cleaned) - set(known))
            if new:
                for text, rows in zip(new, self._encoder.encode(new, tell), strict=True):
                    known[text] = rows
                    self._keep(text, rows)
        return [padded(known[text]) for text in cleaned]

    def _path(self, text: str) -> Path:
        key = [FORMAT, self._revision, text, str(self._encoder.dtype), TEXT_TOKENS]
        return self._folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.safetensors"

    def _find(self, text: str) -> torch.Tensor | None:
        """Take what is kept if it is whole and was made for this text; that keeps it young."""
        path = self._path(text)
        try:
            with safe_open(path, framework="pt") as file:
                rows: torch.Tensor = file.get_tensor("rows").clone()
                if file.metadata() != label(path, rows):
                    return None
            os.utime(path)
        except (OSError, SafetensorError):
            return None
        return rows

    def _keep(self, text: str, rows: torch.Tensor) -> None:
        """Keep an embedding if that can be done; a job does not fail for it."""
        path = self._path(text)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, save({"rows": rows}, label(path, rows)))
            self._make_room()
        except OSError as error:
            log.warning("embedding.unkept", error=str(error))

    def _make_room(self) -> None:
        kept = [(file.stat(), file) for file in self._folder.iterdir()]
        size_bytes = sum(stat.st_size for stat, _ in kept)
        for stat, file in sorted(kept, key=lambda entry: entry[0].st_mtime_ns):
            if size_bytes <= self._room_bytes:
                return
            file.unlink(missing_ok=True)
            size_bytes -= stat.st_size


def label(path: Path, rows: torch.Tensor) -> dict[str, str]:
    """Say what a file should hold: for which key, and which bytes."""
    content = rows.contiguous().view(torch.uint8).numpy().tobytes()
    return {"key": path.stem, "sha256": hashlib.sha256(content).hexdigest()}


def padded(rows: torch.Tensor) -> torch.Tensor:
    """Fill up with rows of zeros: from shape (token, width) to (1, token=512, width)."""
    return torch.nn.functional.pad(rows, (0, 0, 0, TEXT_TOKENS - len(rows)))[None]
