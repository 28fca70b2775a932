"""From a request to pixels, in three phases; each says when it begins and how far it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jobstore.job import Phase, Request
from runner.render.model import Model
from runner.render.picture import open_covering

Frames = NDArray[np.uint8]
Tell = Callable[[Phase, int], None]


@torch.inference_mode()
def render(model: Model, request: Request, images: Path, tell: Tell) -> Frames:
    """Render a request.

    Args:
        model: what to render with.
        request: what was asked.
        images: the folder of staged pictures.
        tell: called at the start of each phase with 0, and after each denoising step with the
            number of finished steps. Whatever it raises ends the render and leaves the model as
            good as new.

    Returns:
        uint8 pixels, shape (frame, height, width, channel=3), RGB.
    """
    tell(Phase.ENCODING_PROMPT, 0)
    embeddings = encode_prompt(model, request)
    tell(Phase.DENOISING, 0)
    latents = denoise(model, request, images, embeddings, tell)
    tell(Phase.DECODING, request.steps)
    return decode(model, latents)


def encode_prompt(model: Model, request: Request) -> dict[str, torch.Tensor | None]:
    """Embed both prompts: shape (1, token=512, width), rows past the text are zero.

    The negative one counts only where the pipelines guide, which is above a scale of 1.
    """
    guided = request.guidance_scale > 1
    texts = [request.prompt, request.negative_prompt] if guided else [request.prompt]
    positive, *negative = (rows.to(model.device) for rows in model.embeddings.of(texts))
    return {"prompt_embeds": positive, "negative_prompt_embeds": negative[0] if guided else None}


def denoise(
    model: Model,
    request: Request,
    images: Path,
    embeddings: dict[str, torch.Tensor | None],
    tell: Tell,
) -> torch.Tensor:
    """Denoise: float32 latents of shape (1, channel, 1 + (frame - 1) / 4, height / 16, width / 16).

    The noise is drawn on the CPU, so that a seed means the same on every device.
    """

    def after_step(_pipe: object, step: int, _time: object, _kept: object) -> dict[str, Any]:
        tell(Phase.DENOISING, step + 1)
        return {}

    pipeline: Any = model.text
    picture = {}
    if request.image:
        pipeline = model.image
        picture = {"image": open_covering(images / request.image, request.width, request.height)}
    pipeline.scheduler = model.fresh_scheduler()
    output = pipeline(
        **picture,
        **embeddings,
        height=request.height,
        width=request.width,
        num_frames=request.num_frames,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        callback_on_step_end=after_step,
        output_type="latent",
    )
    latents: torch.Tensor = output.frames
    return latents


def decode(model: Model, latents: torch.Tensor) -> Frames:
    """Turn latents into pixels: undo the normalisation, decode, scale -1..1 to 0..255."""
    vae: Any = model.text.vae
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(latents.device, vae.dtype)
    deviation = torch.tensor(vae.config.latents_std).view(shape).to(latents.device, vae.dtype)
    video = vae.decode(latents.to(vae.dtype) * deviation + mean, return_dict=False)[0]
    pixels = video[0].float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    frames: Frames = pixels.permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames
