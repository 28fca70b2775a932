"""The whole training, stage by stage; each goes on where it was stopped."""

from dataclasses import dataclass
from pathlib import Path

from runner.pocket import autoencoder, captions, dreamer, export
from runner.pocket.world import SEEN_TRIPLES
from runner.render import calibrate


@dataclass(frozen=True)
class Plan:
    """How long to train: steps of the VAE, clips to encode with it, steps of the transformer.

    And how many `prompts` to measure the step cache's ratios with.
    """

    vae_steps: int = autoencoder.STEPS
    clips: int = dreamer.CLIPS
    steps: int = dreamer.STEPS
    prompts: int = 12


def train(work: Path, processes: int, folder: Path, plan: Plan) -> None:
    """Train in `work` and write the checkpoint into `folder` after each stage."""
    work.mkdir(parents=True, exist_ok=True)
    autoencoder.train(work, processes, plan.vae_steps)
    dreamer.encode(export.trained_vae(work), work, processes, plan.clips)
    export.write(work, folder)
    dreamer.train(work, processes, plan.steps)
    export.write(work, folder)
    triples = SEEN_TRIPLES[:: len(SEEN_TRIPLES) // plan.prompts][: plan.prompts]
    calibrate.describe(folder, [captions.prompt(*triple) for triple in triples])
