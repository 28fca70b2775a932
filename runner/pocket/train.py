"""The whole training, stage by stage; each goes on where it was stopped."""

from pathlib import Path

from runner.pocket import autoencoder, dreamer, export


def train(work: Path, processes: int, folder: Path) -> None:
    """Train in `work` and write the checkpoint into `folder` after each stage."""
    work.mkdir(parents=True, exist_ok=True)
    autoencoder.train(work, processes)
    dreamer.encode(export.trained_vae(work), work, processes)
    export.write(work, folder)
    dreamer.train(work, processes)
    export.write(work, folder)
