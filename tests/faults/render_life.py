"""Renders from text and from a picture, in a process that is killed whenever a step is on the disk.

    python render_life.py FOLDER RUN

Runs again and again (RUN counts from 1) until it ends by itself, as the claims of one job would.
Each run says after which steps it began; the last leaves the latents in FOLDER, as `text` and
`image`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from jobstore.abilities import Abilities
from jobstore.job import Arrival, Job, Request
from jobstore.settings import EMBEDDED_MODEL
from jobstore.store import Store
from runner.render import film
from runner.render.checkpoint import identity
from runner.render.keep import Checkpoints
from runner.render.model import Model, load

STEPS = 4
REQUEST = Request(
    prompt="a red circle moves right",
    negative_prompt="",
    image=None,
    width=128,
    height=128,
    num_frames=5,
    fps=24,
    steps=STEPS,
    guidance_scale=3.0,
    seed=7,
)
REQUESTS = {"text": REQUEST, "image": REQUEST.model_copy(update={"image": "some.png"})}


def claimed(folder: Path, name: str, run: int) -> Job:
    """Make a claim of the job of this name; its fence rises with each run."""
    store = Store.open(f"sqlite:///{folder / f'{name}{run}.db'}", folder / "wake")
    store.jobs.accept(Arrival(name, REQUESTS[name], "test", "main"), 1000)
    job = store.jobs.claim("A", "H", 60_000, 2000)
    store.close()
    assert job
    return replace(job, fence=run)


def denoise(model: Model, folder: Path, name: str, run: int) -> torch.Tensor:
    """Denoise as the stage does, and say after which step it begins."""
    job = claimed(folder, name, run)
    whose = identity(job, model.abilities)
    with Checkpoints(folder, job, whose, every_step=True) as kept, torch.inference_mode():
        print(name, kept.find(), flush=True)
        embeddings = film.encode_prompt(model, job.request)
        return film.denoise(model, job.request, folder, embeddings, lambda *_: None, kept=kept)


def main(folder: Path, run: int) -> None:
    """Render both."""
    torch.set_num_threads(1)
    model = load(EMBEDDED_MODEL, Abilities.read(EMBEDDED_MODEL), folder / "embeddings")
    Image.linear_gradient("L").convert("RGB").save(folder / "some.png")
    for name in REQUESTS:
        latents = denoise(model, folder, name, run)
        save_file({"latents": latents}, folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
