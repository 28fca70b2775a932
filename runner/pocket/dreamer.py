"""Train the transformer and the text encoder on encoded clips of the synthetic world."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import Generator, Tensor, nn
from transformers import UMT5EncoderModel

from runner.pocket import architecture, captions, denoiser, descent, whole, world
from runner.pocket.descent import Course, Descent
from runner.pocket.words import tokenizer
from runner.pocket.world import FRAMES

CLIPS = 4000
STEPS = 7000
RATE = 2e-3
AVERAGE = 0.998
SHIFT, SHIFTED = 3.0, 0.85
WITH_IMAGE = 0.4
LENGTHS = (
    (0.1, (1, 3, 5), (6, 3, 1)),
    (0.4, (1, 3, 5), (2, 4, 4)),
    (1.0, (1, 3, 5), (1, 3, 6)),
)
BATCHES = {1: 192, 3: 64, 5: 40}
LONGEST = 16


@dataclass(frozen=True)
class Clips:
    """The encoded clips: float16 `[n, z, t, h, w]`, normalised, and what each shows."""

    latents: Tensor
    triples: list[tuple[int, int, int]]
    grounds: list[int]


class Dreamer(nn.Module):
    """What is trained together: the text encoder and the transformer."""

    def __init__(self) -> None:
        """Start from random weights; the last layer at nothing, so that the first guess is 0."""
        super().__init__()
        self.words = tokenizer()
        self.text_encoder: UMT5EncoderModel = architecture.text_encoder(len(self.words))
        self.transformer: WanTransformer3DModel = architecture.transformer()
        nn.init.zeros_(self.transformer.proj_out.weight)

    def forward(self, noisy: Tensor, sigma: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Predict the velocity; see `denoiser.velocity`. Tokens and mask are int64 `[n, m]`."""
        text = self.text_encoder(tokens, mask).last_hidden_state
        return denoiser.velocity(self.transformer, noisy, sigma, text, mask.sum(1))

    def plain(self) -> list[nn.Parameter]:
        """Name what is no matrix in the sense of Muon: tables, embeddings, first and last layer."""
        inner = {
            weight
            for part in (self.transformer.blocks, self.text_encoder.encoder.block)
            for name, weight in part.named_parameters()
            if not name.endswith(("scale_shift_table", "relative_attention_bias.weight"))
        }
        return [each for each in self.parameters() if each not in inner]


def encode(vae: AutoencoderKLWan, work: Path, processes: int, clips: int) -> None:
    """Encode the clips of the training into `work/clips.pt`, unless they are there."""
    if not (work / "clips.pt").exists():
        descent.together(processes, work, _encode, vae, work, clips)


def train(work: Path, processes: int, steps: int) -> None:
    """Train in `work`, going on where an earlier run stopped."""
    descent.together(processes, work, _train, work, steps)


@torch.no_grad()
def _encode(vae: AutoencoderKLWan, work: Path, clips: int) -> None:
    share = clips // dist.get_world_size()
    chance = Generator().manual_seed(31 + descent.rank())
    chosen = torch.randint(len(world.SEEN_TRIPLES), (share,), generator=chance)
    what = world.scenes(torch.tensor(world.SEEN_TRIPLES)[chosen], chance)
    latents = []
    for start in range(0, share, 4):
        part = what[start : start + 4]
        video = world.draw(part, torch.arange(FRAMES).expand(len(part), -1))
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(whole.encode(vae, video).chunk(2, 1)[0].float())
        if descent.rank() == 0 and start % 200 == 0:
            print(f"clips {start}/{share}", flush=True)
    torch.save(
        {
            "latents": torch.cat(latents),
            "triples": torch.tensor(world.SEEN_TRIPLES)[chosen],
            "grounds": what.ground_name,
        },
        work / f"clips.{descent.rank()}.pt",
    )
    dist.barrier()
    if descent.rank() == 0:
        parts = [
            torch.load(work / f"clips.{rank}.pt", weights_only=True)
            for rank in range(dist.get_world_size())
        ]
        together = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        raw = together["latents"]
        together["mean"], together["std"] = raw.mean((0, 2, 3, 4)), raw.std((0, 2, 3, 4))
        together["latents"] = raw.half()
        torch.save(together, work / "clips.pt")


def _clips(work: Path) -> Clips:
    saved = torch.load(work / "clips.pt", weights_only=True)
    mean, std = (saved[name].view(1, -1, 1, 1, 1) for name in ("mean", "std"))
    return Clips(
        latents=((saved["latents"].float() - mean) / std).half(),
        triples=[tuple(each) for each in saved["triples"].tolist()],
        grounds=saved["grounds"].tolist(),
    )


def _train(work: Path, steps: int) -> None:
    torch.manual_seed(architecture.SEED)
    dreamer, clips = Dreamer(), _clips(work)
    way = Descent(
        dreamer,
        plain=dreamer.plain(),
        course=Course(steps, RATE, AVERAGE, betas=(0.9, 0.98)),
    )
    way.load(work / "transformer.pt")
    seed = 1000 * way.done + descent.rank()
    chance, dice = Generator().manual_seed(seed), random.Random(seed)
    loss_of = descent.compiled(_loss)

    def loss_at() -> Tensor:
        length = _length(way.done / steps, random.Random(way.done))
        clean, words, given = _batch(clips, dreamer, length, dice)
        sigma = _sigma(len(clean), length, given, chance)
        noise = torch.randn(clean.shape, generator=chance)
        with torch.autocast("cpu", torch.bfloat16):
            return loss_of(dreamer, clean, noise, sigma, words)

    way.walk(work / "transformer.pt", loss_at)


def _length(share: float, dice: random.Random) -> int:
    """Choose how many latent frames this step sees: mostly one at first, mostly all later.

    Colour and shape are learnt from single frames at a fifth of the price.
    """
    lengths, weights = next(each for until, *each in LENGTHS if share < until)
    return dice.choices(lengths, weights)[0]


def _batch(
    clips: Clips, dreamer: Dreamer, length: int, dice: random.Random
) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Choose clips, captions, and which of them are given their first frame."""
    chosen = dice.choices(range(len(clips.triples)), k=BATCHES[length])
    given = [length > 1 and dice.random() < WITH_IMAGE for _ in chosen]
    said = [
        captions.caption(clips.triples[each], clips.grounds[each], dice, image=image)
        for each, image in zip(chosen, given, strict=True)
    ]
    words = dreamer.words(said, padding="max_length", max_length=LONGEST, return_tensors="pt")
    latents = clips.latents[chosen][:, :, :length].float()
    return latents, (words.input_ids, words.attention_mask), torch.tensor(given)


def _sigma(count: int, length: int, given: Tensor, chance: Generator) -> Tensor:
    """Draw the share of noise of each frame, `[n, t]`: mostly shifted as the sampling is."""
    even = torch.rand(count, generator=chance)
    shift = torch.where(torch.rand(count, generator=chance) < SHIFTED, SHIFT, 1.0)
    sigma = (shift * even / (1 + (shift - 1) * even))[:, None].repeat(1, length)
    sigma[:, 0] = torch.where(given, 0.0, sigma[:, 0])
    return sigma


def _loss(
    dreamer: Dreamer, clean: Tensor, noise: Tensor, sigma: Tensor, words: tuple[Tensor, Tensor]
) -> Tensor:
    share = sigma[:, None, :, None, None]
    guess = dreamer(clean + (noise - clean) * share, sigma, *words)
    error = (guess - (noise - clean)).square().mean((1, 3, 4))
    asked = sigma > 0
    loss: Tensor = (error * asked).sum() / asked.sum()
    return loss
