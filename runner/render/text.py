"""The text encoder, streamed: of its 11 GB, one block at a time is in memory.

The mathematics stay those of transformers: its own modules are built without weights, and each is
run with tensors that come from the files and go again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.func import functional_call
from transformers import UMT5Config, UMT5EncoderModel

from runner.render.weights.read import Weights, WeightsBroken, opened

TEXT_TOKENS = 512  # what the model was trained on; a longer text is cut
OWN_ROWS, SHARED_ROWS = "encoder.embed_tokens.weight", "shared.weight"


def unheard(_percent: int) -> None:
    """Nobody listens."""


class TextEncoder:
    """UMT5 of one checkpoint, on one device. Nothing of it is kept between two calls."""

    def __init__(
        self, checkpoint: Path, tokenizer: Any, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Look whether all is there; no weights are read yet.

        Args:
            checkpoint: the folder in the format of diffusers.
            tokenizer: the one of the checkpoint.
            device: where the blocks run.
            dtype: what they run in; float16 would overflow.

        Raises:
            WeightsBroken: a file is missing, or is not that of this encoder.
        """
        self.dtype = dtype
        self._tokenizer = tokenizer
        self._device = device
        self._folder = checkpoint / "text_encoder"
        config = self._folder / "config.json"
        try:
            described = UMT5Config.from_json_file(config)
        except (OSError, ValueError, TypeError) as error:
            raise WeightsBroken(config, error) from error
        with torch.device("meta"):
            self._stock: Any = UMT5EncoderModel(described).encoder.eval()
        with opened(self._folder) as weights:
            for name, like in self._stock.state_dict(prefix="encoder.").items():
                weights.check(embedding(weights) if name == OWN_ROWS else name, like.shape)

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], tell: Callable[[int], None] = unheard
    ) -> list[torch.Tensor]:
        """Embed texts: each becomes rows of shape (token, width), on the CPU.

        Every block is read once for all texts. Each text runs through it alone and without padding:
        what it becomes depends on nothing that happens to stand beside it, so that a job which is
        taken up again gets the same embedding.

        Args:
            texts: any number.
            tell: called after each block with the percent that is done; what it raises ends it.

        Raises:
            WeightsBroken: a file is missing or broken, or what came out is no embedding.
        """
        tokens = [
            self._tokenizer(text, max_length=TEXT_TOKENS, truncation=True).input_ids
            for text in texts
        ]
        with opened(self._folder) as weights:
            name = embedding(weights)
            states = [self._here(weights.rows(name, numbers))[None] for numbers in tokens]
            for number, block in enumerate(self._stock.block):
                states = self._through(block, f"encoder.block.{number}.", weights, states)
                tell(100 * (number + 1) // len(self._stock.block))
            norm = self._stock.final_layer_norm
            states = self._through(norm, "encoder.final_layer_norm.", weights, states)
        if not all(state.isfinite().all() and state.any() for state in states):
            raise WeightsBroken(self._folder, "its weights make embeddings of nothing, or of NaN")
        return [state[0].cpu() for state in states]

    def _through(
        self, module: torch.nn.Module, prefix: str, weights: Weights, states: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Run a module with its weights, which are gone when this returns."""
        own = {name: self._here(weights.read(prefix + name)) for name in module.state_dict()}
        return [functional_call(module, own, (state,), strict=True) for state in states]

    def _here(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move first and convert there: a conversion on the CPU would cost memory of its own."""
        return tensor.to(self._device).to(self.dtype)


def embedding(weights: Weights) -> str:
    """Name the embedding's tensor: the encoder's own, or as a rule the one it shares."""
    return SHARED_ROWS if weights.shape(OWN_ROWS) is None else OWN_ROWS
