"""The model: loaded once, kept between jobs; both pipelines share its parts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from jobstore.abilities import Abilities
from runner.render.embeddings import Embeddings
from runner.render.scheduler import UniPC
from runner.render.text import TextEncoder


@dataclass(frozen=True)
class Model:
    """Two pipelines over the same parts, and what the model says of itself.

    Neither pipeline has a text encoder: they are given embeddings.
    Text takes one timestep for the whole video, pictures one per token, since the tokens of the
    first frame are already clean: same mathematics where both apply, 3 GiB less memory for text.
    """

    abilities: Abilities
    device: torch.device
    text: WanPipeline
    image: WanImageToVideoPipeline
    embeddings: Embeddings
    scheduler_config: Mapping[str, Any]

    @property
    def gpu(self) -> str | None:
        """The name of the graphics card, without its maker; None on a CPU."""
        if self.device.type != "cuda":
            return None
        return torch.cuda.get_device_name(self.device).removeprefix("NVIDIA ")

    @contextmanager
    def transformer_aside(self) -> Iterator[None]:
        """Make room on the card: meanwhile the transformer lies in this machine's memory."""
        transformer: Any = self.text.transformer
        transformer.to("cpu")
        try:
            yield
        finally:
            transformer.to(self.device)

    def fresh_scheduler(self) -> UniPC:
        """Make a scheduler for one render: it keeps state from step to step.

        The shift is set by hand, since a repository's own file may hold another one.
        """
        shift = self.abilities.flow_shift
        scheduler: UniPC = UniPC.from_config(self.scheduler_config, flow_shift=shift)
        return scheduler


def load(folder: Path, abilities: Abilities, embeddings: Path) -> Model:
    """Load a checkpoint in the diffusers format of Wan 2.2 TI2V-5B, onto the GPU if there is one.

    On a GPU the transformer, the text encoder and the decoder run in bfloat16; everything else is
    float32. Other parts than the decoder are never converted after they are loaded, since some of
    their modules must stay float32. The text encoder is only looked at: its weights are streamed
    when a new text comes.

    Args:
        folder: the checkpoint.
        abilities: what its description says.
        embeddings: the folder where embeddings of texts are kept.

    Raises:
        OSError: a file of the checkpoint is missing or broken.
    """
    speak_with_our_voice()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    text = WanPipeline.from_pretrained(
        folder,
        text_encoder=None,
        dtype={"default": precision, "vae": torch.float32},
        expand_timesteps=False,
        local_files_only=True,
    )
    decode_in(text.vae, precision)
    text.to(device)
    encoder = TextEncoder(folder, text.tokenizer, device, precision)
    kept = Embeddings(embeddings, encoder, abilities.revision)
    return paired(abilities, device, text, kept)


def decode_in(vae: Any, precision: torch.dtype) -> None:
    """Let a VAE decode in a precision; it goes on encoding in the one it was loaded in.

    Source:
        hao-ai-lab/FastVideo pull request 1472: decoding in bfloat16 keeps MS-SSIM 0.9999 to float32
        and is 1.2 to 1.3 times as fast; encoding must stay float32.
    """
    for part in (vae.post_quant_conv, vae.decoder):
        part.to(precision)


def paired(
    abilities: Abilities, device: torch.device, text: WanPipeline, embeddings: Embeddings
) -> Model:
    """Put the pipeline for pictures beside the one for text, over the same parts."""
    image = WanImageToVideoPipeline(
        tokenizer=text.tokenizer,
        text_encoder=None,
        vae=text.vae,
        scheduler=text.scheduler,
        transformer=text.transformer,
        expand_timesteps=True,
    )
    for pipeline in (text, image):
        pipeline.set_progress_bar_config(disable=True)
    return Model(abilities, device, text, image, embeddings, text.scheduler.config)


def speak_with_our_voice() -> None:
    """Send what diffusers and transformers say through the root logger, and hide their bars."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_default_handler()
        library.enable_propagation()
        library.disable_progress_bar()
        library.set_verbosity_warning()
