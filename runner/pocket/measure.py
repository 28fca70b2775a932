"""How well the embedded model follows its prompt, measured through the product's own renderer."""

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageDraw
from rich.console import Console

from jobstore.abilities import USUAL, Abilities
from jobstore.job import Phase, Request
from runner.pocket import captions, world
from runner.pocket.judge import Frames, judge
from runner.pocket.world import SEEN_TRIPLES, TRIPLES, UNSEEN_TRIPLES
from runner.render import film, video
from runner.render.model import Model, load

Triple = tuple[int, int, int]
SEED = 4100
PICTURES = 24
GAP, TITLE = 4, 16  # pixels of the contact sheet
console = Console(stderr=True, highlight=False, markup=False)


@dataclass(frozen=True)
class Asked:
    """One prompt of the measurement: what it asks for, from which picture it starts, and how."""

    triple: Triple
    seed: int
    picture: Frames | None = None
    preset: str = USUAL


def measure(folder: Path, preset: str = USUAL) -> dict[str, float]:
    """Render all prompts of the measurement with a preset, and judge them.

    Returns:
        The shares of clips whose colour, direction (growing and shrinking among them) and shape
        are as asked: of all, of combinations that training never saw (`unseen_`), of those that
        start from a picture (`image_`); the peak signal to noise ratios in dB; seconds a clip.
    """
    with opened(folder) as model:
        return _measured(model, preset)


@contextmanager
def opened(folder: Path) -> Iterator[Model]:
    """Load a checkpoint; what its texts mean to it is kept for no longer than this."""
    with tempfile.TemporaryDirectory() as embeddings:
        yield load(folder, Abilities.read(folder), Path(embeddings))


def _measured(model: Model, preset: str) -> dict[str, float]:
    found = {"all": Counter[str](), "unseen": Counter[str](), "image": Counter[str]()}
    first, trip = [], []
    started = time.monotonic()
    wanted = prompts()
    for number, asked in enumerate(wanted, 1):
        frames = render(model, replace(asked, preset=preset))
        marks = list(marks_of(frames, asked.triple))
        kinds = ["image"] if asked.picture is not None else ["all"]
        if asked.picture is None and world.unseen(*asked.triple):
            kinds.append("unseen")
        for kind in kinds:
            found[kind].update(marks)
        if asked.picture is not None:
            first.append(psnr(frames[0], asked.picture))
            trip.append(psnr(shown(round_trip(model, asked.picture[None]))[0], asked.picture))
        console.print(
            f"{number}/{len(wanted)} {captions.prompt(*asked.triple)}"
            f"{' from a picture' if asked.picture is not None else ''}: {judge(frames)}"
        )
    took = time.monotonic() - started
    return {
        **_shares(found["all"], ""),
        **_shares(found["unseen"], "unseen_"),
        **_shares(found["image"], "image_"),
        "first_frame_psnr_db": float(np.mean(first)),
        "picture_psnr_db": float(np.mean(trip)),
        "vae_psnr_db": vae_psnr(model),
        "clip_s": took / len(wanted),
        "prompts": len(wanted) - PICTURES,
    }


def prompts() -> list[Asked]:
    """All combinations that training never saw twice, as many again and half of those it saw."""
    chance = np.random.default_rng(SEED)
    seen = [SEEN_TRIPLES[each] for each in chance.permutation(len(SEEN_TRIPLES))]
    chosen = [*UNSEEN_TRIPLES, *UNSEEN_TRIPLES, *seen[:72]]
    text = [Asked(triple, SEED + number) for number, triple in enumerate(chosen)]
    some = [TRIPLES[each] for each in chance.permutation(len(TRIPLES))[:PICTURES]]
    images = [
        Asked(triple, seed, _drawn(triple, seed)[0])
        for triple, seed in zip(some, itertools.count(SEED + 500), strict=False)
    ]
    return text + images


def render(
    model: Model,
    asked: Asked,
    *,
    prompt: str | None = None,
    guidance_scale: float | None = None,
    negative_prompt: str = "",
) -> Frames:
    """Render one clip as the service does, and read the MP4 back: uint8 `[f, h, w, 3]`."""
    able = model.abilities
    preset = able.presets[asked.preset]
    width, height = able.size_for(None)
    with tempfile.TemporaryDirectory() as scratch:
        if asked.picture is not None:
            Image.fromarray(asked.picture).save(Path(scratch) / "first.png")
        request = Request(
            prompt=captions.prompt(*asked.triple) if prompt is None else prompt,
            negative_prompt=negative_prompt,
            image=None if asked.picture is None else "first.png",
            width=width,
            height=height,
            num_frames=able.num_frames,
            fps=able.fps,
            preset=asked.preset,
            steps=preset.steps,
            guidance_scale=preset.guidance_scale if guidance_scale is None else guidance_scale,
            seed=asked.seed,
        )
        file = Path(scratch) / "clip.mp4"

        def write(pieces: Iterable[Frames]) -> None:
            video.encode(pieces, file, able.fps)

        film.render(model, request, Path(scratch), _silent, write)
        return _read(file)


def shown(frames: Frames) -> Frames:
    """Write frames as the service does and read them as a player shows them."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        video.encode([frames], Path(file.name), fps=24)
        return _read(Path(file.name))


def vae_psnr(model: Model, clips: int = 24) -> float:
    """Give the peak signal to noise ratio of the VAE's round trip of fresh clips, in dB."""
    chance = np.random.default_rng(SEED + 1)
    chosen = [TRIPLES[each] for each in chance.permutation(len(TRIPLES))[:clips]]
    each = []
    for triple, seed in zip(chosen, itertools.count(SEED + 900), strict=False):
        clip = _drawn(triple, seed)
        each.append(psnr(round_trip(model, clip), clip))
    return float(np.mean(each))


@torch.inference_mode()
def round_trip(model: Model, frames: Frames) -> Frames:
    """Encode and decode frames, uint8 `[f, h, w, 3]`, as the pipeline would."""
    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    vae = model.text.vae
    decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0][0]
    back: Frames = decoded.add(1).mul(127.5).round().byte().permute(1, 2, 3, 0).numpy()
    return back


def psnr(one: Frames, other: Frames) -> float:
    """Give the peak signal to noise ratio of two pictures or clips, in dB."""
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / error))


def sheet(folder: Path, file: Path, rows: int = 12) -> None:
    """Draw a contact sheet as PNG: two prompts a row, four moments of each clip.

    They are combinations that training never saw, one after the other; none is picked by hand.
    """
    with opened(folder) as model:
        strips = [_strip(model, asked) for asked in prompts()[:rows]]
    width, height = strips[0].size
    whole = Image.new("RGB", (2 * width + GAP, (rows // 2) * (height + GAP)), "white")
    for number, strip in enumerate(strips):
        whole.paste(strip, (number % 2 * (width + GAP), number // 2 * (height + GAP)))
    whole.save(file, optimize=True)


def _strip(model: Model, asked: Asked) -> Image.Image:
    strip = Image.new("RGB", (4 * (world.SIDE + GAP), world.SIDE + TITLE), "white")
    ImageDraw.Draw(strip).text((2, 2), captions.prompt(*asked.triple), "black")
    for place, frame in enumerate(render(model, asked)[:: world.FRAMES // 4][:4]):
        strip.paste(Image.fromarray(frame), (place * (world.SIDE + GAP), TITLE))
    return strip


def _read(file: Path) -> Frames:
    with av.open(str(file)) as container:
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


def _drawn(triple: Triple, seed: int) -> Frames:
    """Draw the true clip of a combination: uint8 `[f, h, w, 3]`."""
    chance = torch.Generator().manual_seed(seed)
    scene = world.scenes(torch.tensor([triple]), chance)
    clip = world.draw(scene, torch.arange(world.FRAMES)[None])[0]
    pixels: Frames = clip.add(1).mul(127.5).round().byte().permute(1, 2, 3, 0).numpy()
    return pixels


def marks_of(frames: Frames, triple: Triple) -> Iterator[str]:
    """Name what is right about a clip, and `count` in any case."""
    seen = judge(frames)
    yield "count"
    pairs = zip(
        ("colour", "shape", "direction"),
        (seen.colour, seen.shape, seen.motion),
        triple,
        strict=True,
    )
    yield from (name for name, found, asked in pairs if found == asked)


def _shares(found: Counter[str], prefix: str) -> dict[str, float]:
    names = ("colour", "direction", "shape")
    return {f"{prefix}{name}": found[name] / found["count"] for name in names}


def _silent(_phase: Phase, _step: int) -> None:
    """Tell nobody."""
