"""The embedded model's world, its training and its measurement; what it can do: test_adherence."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Generator
from torch.nn import Parameter

from jobstore.abilities import Abilities
from jobstore.job import Request
from runner.pocket import architecture, captions, denoiser, whole, world
from runner.pocket.descent import Course, Descent
from runner.pocket.dreamer import LONGEST, Dreamer
from runner.pocket.judge import NONE, Frames, Seen, judge
from runner.pocket.measure import shown
from runner.pocket.words import tokenizer
from runner.render import film
from runner.render.model import load

Triple = tuple[int, int, int]


@pytest.fixture(scope="module")
def truth() -> list[tuple[Triple, Frames]]:
    """A true clip of each combination, drawn at random places."""
    scenes = world.scenes(torch.tensor(world.TRIPLES), Generator().manual_seed(3))
    clips = [
        world.draw(scenes[number : number + 1], torch.arange(world.FRAMES)[None])[0]
        for number in range(len(scenes))
    ]
    pixels = [
        clip.add(1).mul(127.5).round().byte().permute(1, 2, 3, 0).contiguous().numpy()
        for clip in clips
    ]
    return list(zip(world.TRIPLES, pixels, strict=True))


def test_the_judge_sees_what_is_there(truth: list[tuple[Triple, Frames]]) -> None:
    for triple, frames in truth:
        assert judge(frames) == Seen(*triple), captions.prompt(*triple)


def test_the_judge_sees_it_in_the_mp4_too(truth: list[tuple[Triple, Frames]]) -> None:
    for triple, frames in truth[::7]:
        assert judge(shown(frames)) == Seen(*triple), captions.prompt(*triple)


def test_the_judge_sees_nothing_where_nothing_is(truth: list[tuple[Triple, Frames]]) -> None:
    _, frames = truth[0]
    assert judge(np.zeros_like(frames)) == Seen(NONE, NONE, NONE)
    assert judge(np.repeat(frames[:1], len(frames), 0)).motion == NONE
    assert str(judge(np.zeros_like(frames))) == "none none none"


def test_the_judge_is_not_told_what_to_see(truth: list[tuple[Triple, Frames]]) -> None:
    """A clip turned around moves the other way; with its channels turned it has another colour."""
    left, right = (world.MOTIONS.index(each) for each in ("left", "right"))
    (frames,) = [clip for triple, clip in truth if triple == (0, 0, left)]
    assert judge(frames[::-1]).motion == right
    assert judge(frames[:, :, ::-1]).motion == right
    assert judge(frames[..., ::-1]).colour == tuple(world.COLOURS).index("blue")


def test_what_training_never_sees_is_spread_over_everything() -> None:
    assert len(world.UNSEEN_TRIPLES) * 6 == len(world.TRIPLES)
    for triples in (world.UNSEEN_TRIPLES, world.SEEN_TRIPLES):
        for place, names in enumerate((world.COLOURS, world.SHAPES, world.MOTIONS)):
            assert {triple[place] for triple in triples} == set(range(len(names)))


def test_every_word_of_a_caption_is_one_token() -> None:
    words = tokenizer()
    dice = random.Random(5)
    for number in range(500):
        triple = world.TRIPLES[number % len(world.TRIPLES)]
        said = captions.caption(triple, number % 3, dice, image=number % 2 == 0)
        tokens = words(said).input_ids
        assert len(tokens) == len(said.removesuffix(".").split()) + said.endswith(".") + 1, said
        assert len(tokens) <= LONGEST


@pytest.mark.parametrize("frames", [1, 9, 17])
def test_a_whole_clip_is_encoded_and_decoded_as_in_chunks(frames: int) -> None:
    torch.manual_seed(0)
    vae = architecture.vae().eval()
    clip = torch.rand(1, 3, frames, 64, 64) * 2 - 1
    with torch.no_grad():
        moments = vae.encode(clip).latent_dist.parameters
        assert torch.allclose(whole.encode(vae, clip), moments, atol=1e-5)
        latents = torch.randn(1, 48, (frames + 3) // 4, 4, 4)
        decoded = whole.decode(vae, latents).clamp(-1, 1)
        assert torch.allclose(decoded, vae.decode(latents).sample, atol=1e-5)


def test_the_training_sees_the_transformer_as_it_is() -> None:
    """With a modulation a frame and one key of padding: the same numbers as with one a token."""
    torch.manual_seed(0)
    network = architecture.transformer().eval()
    text, words = torch.randn(3, 7, 64), torch.tensor([7, 1, 4])
    noisy, sigma = torch.randn(3, 48, 5, 8, 8), torch.rand(3, 1).repeat(1, 5)
    sigma[1, 0] = 0  # a given first frame
    padded = torch.zeros(3, denoiser.PADDED, 64)
    for number, count in enumerate(words):
        padded[number, :count] = text[number, :count]
    times = (sigma * 1000)[:, :, None].expand(3, 5, 16).flatten(1)
    with torch.no_grad():
        stock = network(noisy, times, padded, return_dict=False)[0]
        ours = denoiser.velocity(network, noisy, sigma, text, words)
    assert torch.allclose(ours, stock, atol=1e-5)


def descent(steps: int) -> Descent:
    torch.manual_seed(0)
    last = torch.nn.Linear(8, 1)
    course = Course(steps, rate=0.02, average=0.9, betas=(0.9, 0.99))
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), last)
    return Descent(network, plain=[cast(Parameter, last.weight)], course=course)


def go(way: Descent, steps: int) -> list[float]:
    losses = []
    for number in range(way.done, way.done + steps):
        chance = Generator().manual_seed(number)
        given = torch.randn(64, 4, generator=chance)
        loss = (way.network(given)[:, 0] - given.sum(1)).square().mean()
        way.step(loss)
        losses.append(loss.item())
    return losses


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    way = descent(200)
    go(way, 100)
    way.save(tmp_path / "way.pt")
    went_on = go(way, 100)
    again = descent(200)
    again.load(tmp_path / "way.pt")
    assert go(again, 100) == went_on
    assert went_on[-1] < 0.01
    for one, other in itertools.pairwise([way.average, again.average]):
        assert all(map(torch.equal, one.parameters(), other.parameters()))


def test_every_weight_is_trained_one_way_or_the_other() -> None:
    dreamer = Dreamer()
    way = Descent(dreamer, plain=dreamer.plain(), course=Course(1, 1e-3, 0.9, (0.9, 0.99)))
    muon, adam = way.optimizers
    count = sum(each.numel() for kind in (muon, adam) for each in kind.param_groups[0]["params"])
    assert count == sum(each.numel() for each in dreamer.parameters())
    assert all(min(each.shape) > 1 for each in muon.param_groups[0]["params"])


@pytest.mark.long
def test_the_training_runs_from_nothing_to_a_checkpoint_and_not_twice(tmp_path: Path) -> None:
    """A few steps of each stage, in two processes; a second run finds nothing left to do."""
    work, folder = tmp_path / "work", tmp_path / "checkpoint"
    training = (
        "from pathlib import Path\nfrom runner.pocket.train import Plan, train\n"
        f"train(Path({str(work)!r}), 2, Path({str(folder)!r}), Plan(3, 8, 3))"
    )
    told = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", training],
            env=os.environ | {"CXX": "no compiler"},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append([line.split(" loss")[0] for line in run.stdout.splitlines()])
    assert told == [["vae 3/3", "clips 0/4", "transformer 3/3"], []]
    abilities = Abilities.read(folder)
    request = Request(
        prompt="a red circle moves right",
        negative_prompt="",
        image=None,
        width=128,
        height=128,
        num_frames=5,
        fps=abilities.fps,
        steps=2,
        guidance_scale=3.0,
        seed=1,
    )
    model = load(folder, abilities, tmp_path)
    pieces: list[Frames] = []
    film.render(model, request, tmp_path, lambda *_: None, pieces.extend)
    assert np.concatenate(pieces).shape == (5, 128, 128, 3)
    assert model.text.vae.config.latents_std != [1.0] * 48
