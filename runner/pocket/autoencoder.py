"""Train the VAE on the synthetic world, so that colour, shape and motion survive it."""

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from torch import Generator, Tensor
from torch.nn import functional

from runner.pocket import architecture, descent, whole, world
from runner.pocket.descent import Course, Descent
from runner.pocket.world import FRAMES, SIDE, Scenes

STEPS = 2800
RATE = 4e-3
AVERAGE = 0.993
CROP, CROP_FRAMES = 64, 9
FREE, WHOLE, SINGLE = 0.12, 0.13, 0.07
VISIBLE = 0.2


def train(work: Path, processes: int, steps: int) -> None:
    """Train in `work`, going on where an earlier run stopped."""
    descent.together(processes, work, _train, work, steps)


def _train(work: Path, steps: int) -> None:
    torch.manual_seed(architecture.SEED)
    vae = architecture.vae()
    way = Descent(
        vae,
        plain=[vae.encoder.conv_in.weight, vae.decoder.conv_out.weight],
        course=Course(steps, RATE, AVERAGE, betas=(0.9, 0.99)),
    )
    way.load(work / "vae.pt")
    chance = Generator().manual_seed(1000 * way.done + descent.rank())
    loss_of = descent.compiled(_loss)

    def loss_at() -> Tensor:
        video = batch(chance, random.Random(way.done).random())
        with torch.autocast("cpu", torch.bfloat16):
            return loss_of(vae, video)

    way.walk(work / "vae.pt", loss_at, lambda: f"psnr {psnr(way.average):.2f} dB, ")


def batch(chance: Generator, kind: float) -> Tensor:
    """Draw one batch: mostly crops of 64 pixels and 9 frames that hold a part of the object.

    One batch in five is a whole clip or single frames, so that neither the rest of the frame nor
    the later frames drift (trained on short clips alone, the last frame was 6 dB below the first).
    `kind`, in 0..1, decides; it is the same in all processes, as none should wait for another.
    """
    count, side, frames = 4, CROP, CROP_FRAMES
    if kind < WHOLE:
        count, side, frames = 1, SIDE, FRAMES
    elif kind < WHOLE + SINGLE:
        count, side, frames = 8, CROP, 1
    chosen = torch.randint(len(world.TRIPLES), (count,), generator=chance)
    what = world.scenes(torch.tensor(world.TRIPLES)[chosen], chance)
    if torch.rand((), generator=chance).item() < FREE:
        what = _freed(what, chance)
    first = torch.randint(FRAMES - frames + 1, (count, 1), generator=chance)
    middle = (what.centre + what.velocity * (first + frames / 2)) * SIDE
    stray = (torch.rand(count, 2, generator=chance) - 0.5) * side
    corner = (middle + stray - side / 2).round().clamp(0, SIDE - side)
    return world.draw(what, first + torch.arange(frames), corner, side)


def _freed(what: Scenes, chance: Generator) -> Scenes:
    """Give the scenes any colours at all, so that the VAE does not learn six by heart."""
    colour, ground = torch.rand(2, len(what), 3, generator=chance)
    return Scenes(**{**vars(what), "colour": colour, "ground": ground})


def _loss(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    mean, spread = whole.encode(vae, video).chunk(2, 1)
    spread = spread.clamp(-30, 20)
    latents = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
    error = whole.decode(vae, latents).float() - video
    mean, spread = mean.float(), spread.float()
    object_here = (video - video[..., :1, :1]).abs().amax(1, keepdim=True) > VISIBLE
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    divergence = (mean.square() + spread.exp() - 1 - spread).mean() / 2
    return (
        error.abs().mean()
        + 0.3 * (error.abs() * object_here).mean()
        + 2 * error.square().mean()
        + 0.5 * edges
        + 2e-4 * divergence
    )


@torch.no_grad()
def psnr(vae: AutoencoderKLWan, count: int = 12) -> float:
    """Peak signal to noise of the round trip of `count` whole clips, in dB, the mean of clips."""
    chance = Generator().manual_seed(77)
    chosen = torch.randint(len(world.TRIPLES), (count,), generator=chance)
    what = world.scenes(torch.tensor(world.TRIPLES)[chosen], chance)
    video = world.draw(what, torch.arange(FRAMES).expand(count, -1))
    each = []
    for clip in video.split(1):
        mean = whole.encode(vae, clip).chunk(2, 1)[0]
        error = functional.mse_loss(whole.decode(vae, mean).clamp(-1, 1), clip)
        each.append(10 * torch.log10(4 / error))
    return torch.stack(each).mean().item()
