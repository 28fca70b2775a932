"""From a request to pixels, in three phases; each says when it begins and how far it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from jobstore.job import Phase, Request
from runner.render.decode import Bands, Frames, decode
from runner.render.judgement import check_finite, watched
from runner.render.keep import Checkpoints
from runner.render.ladder import Rung, descend
from runner.render.midway import midway
from runner.render.mode import USUAL, Mode
from runner.render.model import Model
from runner.render.picture import open_covering
from runner.render.stepcache import caching

Tell = Callable[[Phase, int], None]
Check = Callable[[], None]


def untold(_phase: Phase, _done: int) -> None:
    """Tell nobody how far it is."""


def unchecked() -> None:
    """Nobody ends it midway."""


@torch.inference_mode()
def render(
    model: Model,
    request: Request,
    images: Path,
    tell: Tell,
    write: Callable[[Iterator[Frames]], None],
    *,
    mode: Mode = USUAL,
    kept: Checkpoints | None = None,
    check: Check = unchecked,
) -> Rung:
    """Render a request.

    Args:
        model: what to render with.
        request: what was asked.
        images: the folder of staged pictures.
        tell: called as a phase begins with 0, the denoising with the steps finished before; after
            each step with those finished; while encoding the prompt, loading another transformer or
            decoding, after each piece, with percent. What it raises ends the render, with no harm.
        write: called once with all frames as they are decoded, in pieces: uint8 pixels of shape
            (frame, height, width, channel=3), RGB. If memory runs out it meets that error, and is
            called again from the first. `ENCODING_VIDEO` begins when it has taken the last; after
            that it meets what is wrong with the frames as a whole.
        mode: how to render.
        kept: what to go on from, and where to keep steps; the safe mode does without.
        check: called many times in each step, to end the render in the same way.

    Returns:
        The way in which there was memory to decode.

    Raises:
        torch.OutOfMemoryError: there is too little memory for any.
        Rejected: the result is broken; what was written is to be thrown away.
        PresetLost: as `Model.take_up`.
    """
    tell(Phase.ENCODING_PROMPT, 0)
    embeddings = encode_prompt(model, request, tell)
    given = (model, request, images, embeddings, tell)
    with mode.attention():
        latents = denoise(*given, kept=kept, mode=mode, check=check)

    def frames(bands: Bands) -> Iterator[Frames]:
        tell(Phase.DECODING, 0)
        yield from watched(decode(model, latents, bands, lambda done: tell(Phase.DECODING, done)))
        tell(Phase.ENCODING_VIDEO, 0)

    size = request.height, request.width
    with model.decoding_in(mode.precision):
        return descend(model, *size, lambda bands: write(frames(bands)), mode.rungs)


def encode_prompt(
    model: Model, request: Request, tell: Tell = untold
) -> dict[str, torch.Tensor | None]:
    """Embed both prompts: shape (1, token=512, width), rows past the text are zero.

    The negative one counts only where the pipelines guide, which is above a scale of 1.
    """
    guided = request.guidance_scale > 1
    texts = [request.prompt, request.negative_prompt] if guided else [request.prompt]
    kept = model.embeddings.of(texts, lambda done: tell(Phase.ENCODING_PROMPT, done))
    positive, *negative = (rows.to(model.device) for rows in kept)
    return {"prompt_embeds": positive, "negative_prompt_embeds": negative[0] if guided else None}


def denoise(
    model: Model,
    request: Request,
    images: Path,
    embeddings: dict[str, torch.Tensor | None],
    tell: Tell,
    *,
    mode: Mode = USUAL,
    kept: Checkpoints | None = None,
    check: Check = unchecked,
) -> torch.Tensor:
    """Denoise: float32 latents of shape (1, channel, 1 + (frame - 1) / 4, height / 16, width / 16).

    The noise is drawn on the CPU, so that a seed means the same on every device. What was kept is
    gone on from, bit for bit: the pipeline then sees only the steps that are left.

    Raises:
        PresetLost, Rejected: as `Model.take_up`; a step left NaN or infinity.
    """
    model.take_up(request.preset, lambda done: tell(Phase.LOADING_MODEL, done))
    noise = torch.Generator("cpu").manual_seed(request.seed)
    scheduler = model.fresh_scheduler(model.abilities.presets[request.preset], noise)
    began_at = 0
    if begun := kept.take() if kept else None:
        began_at = begun.step
        scheduler.resume(began_at, dict(begun.scheduler))
    tell(Phase.DENOISING, began_at)

    def after_step(_pipe: object, step: int, _time: object, made: Any) -> dict[str, Any]:
        done = began_at + step + 1
        check_finite(made["latents"], f"latents after step {done}")
        if kept:
            kept.after_step(done, made["latents"], scheduler)
        tell(Phase.DENOISING, done)
        return {}

    pipeline, picture = beginning(model, request, images, scheduler)
    speed = caching(model, request, began_at) if mode.skips else model.unhurried()
    with speed, midway(model, check):
        output = pipeline(
            **picture,
            **embeddings,
            **request.model_dump(include={"height", "width", "num_frames", "guidance_scale"}),
            num_inference_steps=request.steps,
            generator=noise,
            latents=begun.latents if begun else None,
            callback_on_step_end=after_step,
            output_type="latent",
        )
    return cast("torch.Tensor", output.frames)


def beginning(
    model: Model, request: Request, images: Path, scheduler: object
) -> tuple[Any, dict[str, Image.Image]]:
    """Give the pipeline for a request, with a scheduler, and the picture it starts from, if any."""
    pipeline: Any = model.image if request.image else model.text
    pipeline.scheduler = scheduler
    if request.image is None:
        return pipeline, {}
    return pipeline, {"image": open_covering(images / request.image, request.width, request.height)}
