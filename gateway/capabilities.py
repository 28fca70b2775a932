"""`GET /capabilities`: what the model of this service can do, and its defaults."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.parts import parts_of
from jobstore.abilities import USUAL


async def capabilities(request: Request) -> Response:
    """Answer with sizes, length and presets, as the model's description has them."""
    can = parts_of(request).abilities
    presets = {
        name: preset.model_dump(include={"about", "steps", "guidance_scale"})
        for name, preset in can.presets.items()
    }
    return JSONResponse(
        {
            "model": can.name,
            "revision": can.revision,
            "sizes": can.sizes,
            "num_frames": can.num_frames,
            "fps": can.fps,
            "presets": presets,
            "defaults": {"preset": USUAL, "negative_prompt": can.negative_prompt},
        }
    )
