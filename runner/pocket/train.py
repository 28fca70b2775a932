"""The whole training, stage by stage; each goes on where it was stopped."""

from dataclasses import dataclass
from pathlib import Path

from runner.pocket import autoencoder, dreamer, export


@dataclass(frozen=True)
class Plan:
    """How long to train: steps of the VAE, clips to encode with it, steps of the transformer."""

    vae_steps: int = autoencoder.STEPS
    clips: int = dreamer.CLIPS
    steps: int = dreamer.STEPS


def train(work: Path, processes: int, folder: Path, plan: Plan) -> None:
    """Train in `work` and write the checkpoint into `folder` after each stage."""
    work.mkdir(parents=True, exist_ok=True)
    autoencoder.train(work, processes, plan.vae_steps)
    dreamer.encode(export.trained_vae(work), work, processes, plan.clips)
    export.write(work, folder)
    dreamer.train(work, processes, plan.steps)
    export.write(work, folder)
