"""`python -m runner.render.calibrate FOLDER PROMPT...`: measure the ratios of a model's step cache.

Whoever has trained or changed a transformer runs it once; it renders each prompt from text, and
again from the first picture of that, and writes the means into the model's description.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from jobstore.abilities import DESCRIPTION, Abilities
from jobstore.files import write_whole
from jobstore.job import Request
from runner.render import film
from runner.render.decode import decode
from runner.render.ladder import Rung, bands
from runner.render.model import Model, load

PICTURE = "picture.png"


def main() -> None:
    """Calibrate one model."""
    parser = argparse.ArgumentParser(prog="python -m runner.render.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the checkpoint, in the format of diffusers")
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="typical ones")
    asked = parser.parse_args()
    for task, values in describe(asked.folder, asked.prompts).items():
        print(task, *values)


def describe(folder: Path, prompts: Sequence[str]) -> dict[str, list[float]]:
    """Measure the ratios of the model in a folder and write them into its description."""
    able = Abilities.model_validate_json((folder / DESCRIPTION).read_bytes())
    with tempfile.TemporaryDirectory(prefix="wan22-calibrate-") as scratch:
        model = load(folder, able, Path(scratch) / "embeddings")
        ratios = calibrate(model, prompts, Path(scratch))
    described = able.model_copy(update={"mag_ratios": ratios}).model_dump_json(indent=2)
    write_whole(folder / DESCRIPTION, f"{described}\n".encode())
    return ratios


def calibrate(model: Model, prompts: Sequence[str], scratch: Path) -> dict[str, list[float]]:
    """Measure with prompts; answers for each task one ratio per step of the usual preset.

    Args:
        model: whose transformer it is about.
        prompts: at least one.
        scratch: a folder for pictures.
    """
    measured: dict[str, list[torch.Tensor]] = {"text": [], "image": []}
    for seed, prompt in enumerate(prompts):
        for image in (None, PICTURE):
            request = Request.usual(model.abilities, prompt, seed, image)
            with listening(model.text.transformer) as ratios:
                embeddings = film.encode_prompt(model, request)
                latents = film.denoise(model, request, scratch, embeddings, film.untold)
            measured[request.task].append(torch.tensor(ratios))
            if image is None:
                cut = bands(Rung.WIDE, request.height, request.width)
                frames = next(decode(model, latents[:, :, :1], cut, lambda _percent: None))
                Image.fromarray(frames[0]).save(scratch / PICTURE)
    return {
        task: [round(value, 5) for value in torch.stack(rows).mean(0).tolist()]
        for task, rows in measured.items()
    }


@contextmanager
def listening(transformer: Any) -> Iterator[list[float]]:
    """Collect, while a render goes on, the ratio of each of its steps, that with the prompt.

    Source:
        Zehong Ma et al., MagCache, arXiv 2506.09045: the mean over tokens of the norm of the change
        that all blocks make together, over the norm of that of the step before.
    """
    ratios: list[float] = []
    entered: list[torch.Tensor] = []
    before: list[torch.Tensor] = []
    passes = 0

    def enter(_block: object, args: tuple[torch.Tensor, ...]) -> None:
        entered[:] = [args[0]]

    def leave(_block: object, _args: object, output: torch.Tensor) -> None:
        nonlocal passes
        size = (output - entered.pop()).float().norm(dim=-1)
        if passes % 2 == 0:  # the pipelines make two passes a step, first the one with the prompt
            ratios.append((size / before[0]).mean().item() if before else 1.0)
            before[:] = [size]
        passes += 1

    hooks = (
        transformer.blocks[0].register_forward_pre_hook(enter),
        transformer.blocks[-1].register_forward_hook(leave),
    )
    try:
        yield ratios
    finally:
        for hook in hooks:
            hook.remove()


if __name__ == "__main__":
    main()
