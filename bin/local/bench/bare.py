"""The barest script that does the same: the library's own pipeline, one request per line of stdin.

It keeps no lease, tells nobody how far it is, and loses what it was doing when it ends. To be
compared with the stage alone, it is given what wan22 found out: one timestep for the whole video.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler, WanPipeline

from jobstore.abilities import Abilities
from jobstore.job import Request
from runner.render.model import speak_with_our_voice
from runner.render.text import TEXT_TOKENS
from runner.render.video import encode


def main() -> None:
    """Load the model, say so, then answer each request with the seconds it took."""
    model, target = Path(sys.argv[1]), Path(sys.argv[2])
    speak_with_our_voice()
    pipeline: Any = WanPipeline.from_pretrained(
        model, dtype=torch.float32, expand_timesteps=False, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    shift = Abilities.read(model).flow_shift
    pipeline.scheduler = UniPCMultistepScheduler.from_config(
        pipeline.scheduler.config, flow_shift=shift
    )
    print("ready", flush=True)
    for line in sys.stdin:
        request = Request.model_validate_json(line)
        began = time.monotonic()
        render(pipeline, request, target)
        print(time.monotonic() - began, flush=True)


def render(pipeline: Any, request: Request, target: Path) -> None:
    """Render one request from text into a file."""
    frames = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        height=request.height,
        width=request.width,
        num_frames=request.num_frames,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        max_sequence_length=TEXT_TOKENS,
    ).frames[0]
    encode([(frames * 255).round().astype("uint8")], target, request.fps)


if __name__ == "__main__":
    main()
