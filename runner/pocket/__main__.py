"""`python -m runner.pocket make`: write the embedded model to where `MODEL_DIR=pocket` looks."""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from diffusers import WanPipeline
from transformers.utils import logging as transformers_logging

from jobstore.abilities import DESCRIPTION
from jobstore.settings import EMBEDDED_MODEL
from runner.pocket import architecture


def main() -> None:
    """Make the checkpoint unless it is there already."""
    parser = argparse.ArgumentParser(prog="python -m runner.pocket", description=__doc__)
    parser.add_argument("command", choices=("make",))
    parser.add_argument("--to", type=Path, default=EMBEDDED_MODEL, help="the folder to make")
    folder = parser.parse_args().to
    if not (folder / DESCRIPTION).exists():
        make(folder)


def make(folder: Path, build: Callable[[], WanPipeline] = architecture.pipeline) -> None:
    """Write the checkpoint aside and rename it, so that a half one is never taken for whole.

    Whoever makes it at the same time and is first wins; what is whole is never taken away.
    """
    transformers_logging.disable_progress_bar()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".checkpoint-") as scratch:
        whole = Path(scratch) / folder.name
        build().save_pretrained(whole)
        description = architecture.ABILITIES.model_dump_json(indent=2)
        (whole / DESCRIPTION).write_text(f"{description}\n", encoding="utf-8")
        try:
            whole.rename(folder)
        except OSError:
            if (folder / DESCRIPTION).exists():
                return
            shutil.rmtree(folder)
            whole.rename(folder)


if __name__ == "__main__":
    main()
