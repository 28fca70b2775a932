"""What `bin/bench vram` does: how much memory of a card the 5B would take, without a card.

Our own `film.denoise` and `decode` run at full size on the meta device, where tensors have shapes
and no data, and every byte that is alive is counted; then the library's own pipeline likewise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import UniPCMultistepScheduler, WanPipeline
from PIL import Image
from rich.console import Console
from rich.table import Table

from jobstore.abilities import Preset
from jobstore.job import Request
from local.bench.full import FULL, META, transformer, vae
from local.bench.live import Live
from runner.render import film
from runner.render.decode import decode
from runner.render.describe import WAN22_TI2V_5B
from runner.render.embeddings import Embeddings
from runner.render.ladder import Rung, bands
from runner.render.model import Model, decode_in, paired
from runner.render.scheduler import DMD, UniPC
from runner.render.text import TEXT_TOKENS
from runner.render.transformer import Transformers

GIB = 2**30
HEIGHT, WIDTH, FRAMES = 704, 1280, 121
STEPS = 2
TEXT_WIDTH = FULL.text_encoder["d_model"]


@dataclass(frozen=True)
class Peak:
    """The most that one phase holds at once, in GiB."""

    phase: str
    transformer: float
    vae: float
    activations: float

    @property
    def whole(self) -> float:
        """Weights and activations together."""
        return self.transformer + self.vae + self.activations


def bench_vram(folder: Path, say: Callable[[str], None]) -> dict[str, float]:
    """Count, print the table, and answer the figures that are judged, in GiB."""
    say("running the 5B without data: ours ...")
    ours = our_peaks(folder)
    say("and the stock pipeline ...")
    peaks = ours | stock_peaks()
    console = Console(highlight=False, width=120)
    console.print(table(list(peaks.values())))
    console.print(
        "Resident are the transformer (bfloat16, some modules float32) and the VAE (float32;"
        "\nours: its decoder bfloat16). Not counted: the text encoder, which should not be there"
        "\nmeanwhile; the CUDA context (about 0.4 GiB), the workspace of cuDNN, and fragments."
    )
    return {f"{name}_gib": round(peak.whole, 2) for name, peak in peaks.items()}


def our_peaks(folder: Path) -> dict[str, Peak]:
    """Count what wan22 holds: denoising from text and from a picture, decoding on each rung."""
    text = without_data(WAN22_TI2V_5B.flow_shift)
    decode_in(text.vae, torch.bfloat16)
    no_texts = cast(Embeddings, None)  # what they mean is given: see `embeddings`
    present = Transformers(folder, META, present=WAN22_TI2V_5B.usual.transformer)
    model = Dataless(**vars(paired(WAN22_TI2V_5B, text, no_texts, present)))
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "picture.png")

    def denoised(image: str | None) -> None:
        film.denoise(model, request(image), folder, embeddings(), lambda _phase, _step: None)

    def decoded(rung: Rung) -> None:
        for _piece in decode(model, latents(), bands(rung, HEIGHT, WIDTH), lambda _percent: None):
            pass

    return {
        "t2v": counted("denoise, text", text, lambda: denoised(None)),
        "i2v": counted("denoise, picture", text, lambda: denoised("picture.png")),
        "decode": counted("decode, two bands", text, lambda: decoded(Rung.WIDE)),
        "decode_narrow": counted("decode, narrow bands", text, lambda: decoded(Rung.NARROW)),
    }


def stock_peaks() -> dict[str, Peak]:
    """Count what the library's holds: one timestep per token, decoding whole in float32."""
    stock = without_data(WAN22_TI2V_5B.flow_shift, expand_timesteps=True)

    def denoised() -> None:
        stock(
            **embeddings(),
            height=HEIGHT,
            width=WIDTH,
            num_frames=FRAMES,
            num_inference_steps=STEPS,
            generator=torch.Generator("cpu"),
            max_sequence_length=TEXT_TOKENS,
            output_type="latent",
        )

    @torch.inference_mode()
    def decoded() -> None:
        vae: Any = stock.vae
        vae.decode(latents(), return_dict=False)

    return {
        "stock_t2v": counted("stock: denoise, text", stock, denoised),
        "stock_decode": counted("stock: decode", stock, decoded),
    }


class Dataless(Model):
    """A model of shapes alone."""

    def fresh_scheduler(self, preset: Preset, noise: torch.Generator) -> UniPC | DMD:
        """Make the scheduler of a render, but one that looks at no time."""
        scheduler: UniPC | DMD = from_the_first(super().fresh_scheduler(preset, noise))
        return scheduler


def from_the_first(scheduler: Any) -> Any:
    """Let a scheduler begin at its first step: a time without data cannot be looked up."""
    scheduler.index_for_timestep = lambda _time, *_times: 0
    return scheduler


def without_data(flow_shift: float, *, expand_timesteps: bool = False) -> WanPipeline:
    """Make the 5B in the precisions of its parts, without numbers and without text encoder."""
    pipeline = WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=vae(FULL),
        scheduler=from_the_first(
            UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=flow_shift
            )
        ),
        transformer=transformer(FULL),
        expand_timesteps=expand_timesteps,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def request(image: str | None) -> Request:
    """Ask for the largest video; a few steps need as much memory as fifty."""
    return Request(
        prompt="",
        negative_prompt="",
        image=image,
        width=WIDTH,
        height=HEIGHT,
        num_frames=FRAMES,
        fps=WAN22_TI2V_5B.fps,
        steps=STEPS,
        guidance_scale=WAN22_TI2V_5B.usual.guidance_scale,
        seed=0,
    )


def embeddings() -> dict[str, torch.Tensor | None]:
    """Both prompts, embedded."""
    shape = (1, TEXT_TOKENS, TEXT_WIDTH)
    names = ("prompt_embeds", "negative_prompt_embeds")
    return {name: torch.empty(shape, dtype=torch.bfloat16, device=META) for name in names}


def latents() -> torch.Tensor:
    """The latents of the largest video."""
    return torch.empty((1, 48, (FRAMES + 3) // 4, HEIGHT // 16, WIDTH // 16), device=META)


def counted(phase: str, pipeline: WanPipeline, run: Callable[[], None]) -> Peak:
    """Run a phase and count what it holds at most."""
    with torch.inference_mode(), Live(lambda tensor: tensor.device.type == "meta") as live:
        run()
    parts = (weight(pipeline.transformer), weight(pipeline.vae))
    return Peak(phase, *parts, live.peak_bytes / GIB)


def weight(part: Any) -> float:
    """How much the numbers of a part take, in GiB."""
    return float(sum(held.numel() * held.element_size() for held in part.parameters()) / GIB)


def table(peaks: list[Peak]) -> Table:
    """Show each phase."""
    made = Table(title=f"GiB of a card, counted without one: {WIDTH}x{HEIGHT}, {FRAMES} frames")
    for heading in ("phase", "transformer", "VAE", "activations", "together"):
        made.add_column(heading)
    for peak in peaks:
        parts = (peak.transformer, peak.vae, peak.activations, peak.whole)
        made.add_row(peak.phase, *(f"{part:.2f}" for part in parts))
    return made
