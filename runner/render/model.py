"""The model: loaded once, kept between jobs; both pipelines share its parts."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from jobstore.abilities import Abilities, Preset
from jobstore.settings import NATIVE
from runner.render.embeddings import Embeddings
from runner.render.scheduler import DMD, UniPC
from runner.render.text import TextEncoder
from runner.render.transformer import PLAIN, PresetLost, Speed, Transformers, precision_on
from runner.render.weights.manifest import look_at
from runner.render.weights.read import DIFFUSERS, paths
from runner.render.weights.readahead import Tell, read_ahead


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
    transformers: Transformers

    def take_up(self, name: str, tell: Callable[[int], None]) -> None:
        """Have the transformer of a preset on the device, whichever was there before.

        That one is dropped first. If this fails, or is ended by `tell`, none is there, and the next
        call brings what it needs.

        Args:
            name: of the preset.
            tell: called with the percent of its weights that have come from the disk; not at all if
                it is there already.

        Raises:
            PresetLost: there is no such preset, or its own weights are missing or broken.
            OSError: those of the usual preset are.
        """
        usual = self.abilities.usual.transformer
        if name not in self.abilities.presets:
            message = f"This renderer knows no preset {name}: was it restarted since that is there?"
            raise PresetLost(message)
        wanted = self.abilities.presets[name].transformer
        if wanted == self.transformers.present:
            return
        try:
            self._swap(wanted, tell)
        except OSError as error:
            if wanted == usual:
                raise
            message = f"The weights of preset {name} cannot be used: {error}"
            raise PresetLost(message) from error

    def _swap(self, wanted: str, tell: Callable[[int], None]) -> None:
        files = self.transformers.look(wanted)
        self.transformers.present = None
        self._hand_out(None)
        gc.collect()  # the hooks of a step cache refer to it in circles
        torch.cuda.empty_cache()
        read_ahead(files, in_percent(tell))
        self._hand_out(self.transformers.read(wanted))

    def _hand_out(self, transformer: WanTransformer3DModel | None) -> None:
        for pipeline in (self.text, self.image):
            pipeline.register_modules(transformer=transformer)

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

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let the transformer meanwhile run as it is, whatever the settings say of its speed."""
        transformer: Any = self.text.transformer
        speed = self.transformers.speed
        if speed.attention != NATIVE:
            transformer.set_attention_backend(NATIVE)
        try:
            with torch.compiler.set_stance("force_eager") if speed.compile else nullcontext():
                yield
        finally:
            if speed.attention != NATIVE:
                transformer.set_attention_backend(speed.attention)

    @contextmanager
    def decoding_in(self, precision: torch.dtype | None) -> Iterator[None]:
        """Let the decoder compute in another precision meanwhile; None leaves it as it is."""
        vae: Any = self.text.vae
        usual = vae.decoder.conv_in.weight.dtype
        decode_in(vae, precision or usual)
        try:
            yield
        finally:
            decode_in(vae, usual)

    def fresh_scheduler(self, preset: Preset, noise: torch.Generator) -> UniPC | DMD:
        """Make a scheduler for one render: it keeps state from step to step.

        The shift is set by hand, since a repository's own file may hold another one. That of a
        distilled model draws from the render's `noise`.
        """
        if preset.sigmas:
            return DMD.drawing_from(noise, preset.sigmas)
        shift = self.abilities.flow_shift
        scheduler: UniPC = UniPC.from_config(self.scheduler_config, flow_shift=shift)
        return scheduler


def untold(_done_bytes: int, _total_bytes: int) -> None:
    """Tell nobody how far the loading is."""


def in_percent(tell: Callable[[int], None]) -> Tell:
    """Tell of bytes in whole percent, and of each only once."""
    told = -1

    def tell_bytes(done_bytes: int, total_bytes: int) -> None:
        nonlocal told
        percent = 100 * done_bytes // max(total_bytes, 1)
        if percent > told:
            told = percent
            tell(percent)

    return tell_bytes


def load(
    folder: Path,
    abilities: Abilities,
    embeddings: Path,
    tell: Tell = untold,
    *,
    speed: Speed = PLAIN,
) -> Model:
    """Load a checkpoint in the diffusers format of Wan 2.2 TI2V-5B, onto the GPU if there is one.

    The transformer, the text encoder and the decoder run in one precision, see `precision_on`;
    everything else is float32. Other parts than the decoder are never converted after they are
    loaded, since some of their modules must stay float32. The text encoder is only looked at: its
    weights are streamed when a new text comes.

    Args:
        folder: the checkpoint.
        abilities: what its description says.
        embeddings: the folder where embeddings of texts are kept.
        tell: called with the bytes that have come from the disk, and those that will.
        speed: what the settings say of the transformers.

    Raises:
        OSError: a file of the checkpoint is missing or broken.
        SettingsWrong: the transformers cannot compute as the settings want.
    """
    look_at(folder)
    speak_with_our_voice()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transformers = Transformers(folder, device, speed)
    first = abilities.usual.transformer
    precision = precision_on(device, folder / first)
    parts = (folder / first, folder / "vae")
    read_ahead([file for part in parts for file in paths(part, DIFFUSERS)], tell)
    text = WanPipeline.from_pretrained(
        folder,
        text_encoder=None,
        transformer=transformers.read(first),
        dtype={"default": precision, "vae": torch.float32},
        expand_timesteps=False,
        local_files_only=True,
    )
    decode_in(text.vae, precision)
    text.to(device)
    encoder = TextEncoder(folder, text.tokenizer, device, precision)
    kept = Embeddings(embeddings, encoder, abilities.revision)
    return paired(abilities, text, kept, transformers)


def decode_in(vae: Any, precision: torch.dtype) -> None:
    """Let a VAE decode in a precision; it goes on encoding in the one it was loaded in.

    Source:
        hao-ai-lab/FastVideo pull request 1472: decoding in bfloat16 keeps MS-SSIM 0.9999 to float32
        and is 1.2 to 1.3 times as fast; encoding must stay float32.
    """
    for part in (vae.post_quant_conv, vae.decoder):
        part.to(precision)


def paired(
    abilities: Abilities, text: WanPipeline, embeddings: Embeddings, transformers: Transformers
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
    config = text.scheduler.config
    return Model(abilities, transformers.device, text, image, embeddings, config, transformers)


def speak_with_our_voice() -> None:
    """Send what diffusers and transformers say through the root logger, and hide their bars."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_default_handler()
        library.enable_propagation()
        library.disable_progress_bar()
        library.set_verbosity_warning()
