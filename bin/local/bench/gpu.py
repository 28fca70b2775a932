"""What `bin/bench gpu` does: time our own render on a card and watch the card's memory.

For whoever has the machine. It has never been run on one: only all that is not the card's own has
been tried, on a CPU.
"""

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from jobstore import settings
from jobstore.abilities import Abilities, sides
from jobstore.job import Phase, Request
from local.bench.cards import TERA, TFLOPS, forward_flop, video_tokens
from local.bench.refusal import Refused
from runner.render import film, video
from runner.render.decode import Frames
from runner.render.model import Model, load
from runner.render.text import TEXT_TOKENS

GIB = 2**30
PROMPTS = {
    "text": "A red fox runs through fresh snow at dawn, the camera follows it from the side.",
    "picture": "The colours begin to flow slowly into each other while the camera moves closer.",
}
PICTURE = "picture.png"


@dataclass(frozen=True)
class Asked:
    """What to render; where it says None, what the model is best at."""

    size: str | None = None
    frames: int | None = None
    steps: int | None = None

    def request(self, abilities: Abilities, mode: str) -> Request:
        """Make the request of one mode, `text` or `picture`."""
        width, height = sides(self.size or abilities.sizes[0])
        return Request(
            prompt=PROMPTS[mode],
            negative_prompt=abilities.negative_prompt,
            image=PICTURE if mode == "picture" else None,
            width=width,
            height=height,
            num_frames=self.frames or abilities.num_frames,
            fps=abilities.fps,
            steps=self.steps or abilities.usual.steps,
            guidance_scale=abilities.usual.guidance_scale,
            seed=7,
        )


@dataclass(frozen=True)
class Lap:
    """One phase: how long it took, and the most of the card's memory; None without a card."""

    seconds: float
    allocated_gib: float | None
    reserved_gib: float | None


@dataclass
class Watch:
    """Hears how far a render is, and stops the time."""

    device: torch.device
    laps: dict[Phase, Lap] = field(default_factory=dict)
    steps_at: list[float] = field(default_factory=list)
    _phase: Phase | None = None
    _began: float = 0.0

    def tell(self, phase: Phase, _done: int) -> None:
        """Hear that a phase begins, or goes on: what `film.render` calls."""
        if phase is not self._phase:
            self.end()
            self._phase, self._began = phase, time.monotonic()
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
        if phase is Phase.DENOISING:
            self._catch_up()
            self.steps_at.append(time.monotonic())

    def end(self) -> None:
        """The phase is over: keep what it took."""
        self._catch_up()
        if self._phase is not None:
            seconds = time.monotonic() - self._began
            self.laps[self._phase] = Lap(seconds, *peaks(self.device))

    @property
    def step_s(self) -> float:
        """How long a step takes; if there are more, without the first, which chooses kernels."""
        begin, *ends = self.steps_at
        counted = ends if ends[1:] else [begin, *ends]
        return (counted[-1] - counted[0]) / (len(counted) - 1)

    def _catch_up(self) -> None:
        """Wait for the card: what it was given may not be done yet."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def peaks(device: torch.device) -> tuple[float | None, float | None]:
    """Tell the most that tensors took, and the most that torch held of the card, in GiB."""
    if device.type != "cuda":
        return None, None
    return (
        round(torch.cuda.max_memory_allocated(device) / GIB, 2),
        round(torch.cuda.max_memory_reserved(device) / GIB, 2),
    )


def bench_gpu(
    scratch: Path, asked: Asked, say: Callable[[str], None]
) -> dict[str, float | str | None]:
    """Load the model of the settings onto the card, render twice, and print what it took.

    Raises:
        Refused: there is no card.
        SettingsWrong: a setting is wrong.
    """
    if not torch.cuda.is_available():
        message = "bin/bench gpu needs a GPU that torch can use through CUDA, and MODEL_DIR"
        raise Refused(message)
    given = settings.read(settings.ModelSettings)
    say(f"loading {given.model} ...")
    began = time.monotonic()
    model = load(given.model, given.abilities(), scratch / "embeddings")
    load_s = time.monotonic() - began
    return {"load_s": round(load_s, 1), **bench_model(model, scratch, asked, say)}


def bench_model(
    model: Model, scratch: Path, asked: Asked, say: Callable[[str], None]
) -> dict[str, float | str | None]:
    """Render from text and from a picture with a loaded model, and print a table.

    Returns:
        `gpu`; for each mode `MODE_step_s`, `MODE_tflops` (what was computed in a second, in 10**12)
        and `MODE_share` of what the card can do, None where that is not known; for each phase
        `MODE_PHASE_s`, `MODE_PHASE_allocated_gib` and `MODE_PHASE_reserved_gib`; `rss_gib`, the
        most of this machine's memory, pages of files included.
    """
    Image.radial_gradient("L").convert("RGB").save(scratch / PICTURE)
    figures: dict[str, float | str | None] = {"gpu": model.gpu}
    for mode in PROMPTS:
        request = asked.request(model.abilities, mode)
        say(f"rendering from {mode}: {request.shape}, {request.steps} steps ...")
        watch = rendered(model, request, scratch)
        Console(highlight=False, width=100).print(table(mode, watch))
        figures |= {f"{mode}_{name}": value for name, value in judged(model, request, watch)}
    rss_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**figures, "rss_gib": round(rss_gib, 2)}


def rendered(model: Model, request: Request, scratch: Path) -> Watch:
    """Render one request as the stage does, into a file that nobody keeps."""
    watch = Watch(model.device)

    def write(pieces: Iterable[Frames]) -> None:
        video.encode(pieces, scratch / "video.mp4", request.fps)

    film.render(model, request, scratch, watch.tell, write)
    watch.end()
    return watch


def judged(model: Model, request: Request, watch: Watch) -> Iterable[tuple[str, float | None]]:
    """Name the figures of one render."""
    tflops = flop_per_step(model, request) / watch.step_s / TERA
    limit = TFLOPS.get(model.gpu or "")
    yield "step_s", round(watch.step_s, 3)
    yield "tflops", round(tflops, 3)
    yield "share", round(tflops / limit, 3) if limit else None
    for phase, lap in watch.laps.items():
        yield f"{phase}_s", round(lap.seconds, 2)
        yield f"{phase}_allocated_gib", lap.allocated_gib
        yield f"{phase}_reserved_gib", lap.reserved_gib


def flop_per_step(model: Model, request: Request) -> float:
    """Count the arithmetic of a step: one pass, or two where the render is guided."""
    tokens = video_tokens(request.width, request.height, request.num_frames)
    times = tokens if request.image else 1
    passes = 2 if request.guidance_scale > 1 else 1
    return passes * forward_flop(model.text.transformer.config, tokens, TEXT_TOKENS, times)


def table(mode: str, watch: Watch) -> Table:
    """Show each phase of one render."""
    made = Table(title=f"from {mode}: {watch.step_s:.2f} s a step")
    for heading in ("phase", "seconds", "GiB of tensors", "GiB held by torch"):
        made.add_column(heading)
    for phase, lap in watch.laps.items():
        held = (
            "-" if gib is None else f"{gib:.2f}" for gib in (lap.allocated_gib, lap.reserved_gib)
        )
        made.add_row(phase, f"{lap.seconds:.2f}", *held)
    return made
