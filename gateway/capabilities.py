"""`GET /capabilities`: what the model of this service can do, and its defaults."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import limits, pictures, wanted
from gateway.answers import Capabilities, PresetFacts
from gateway.parts import parts_of
from jobstore.abilities import USUAL, Abilities, Preset


async def capabilities(request: Request) -> Response:
    """Answer with sizes, length and presets, as the model's description has them."""
    can = parts_of(request).abilities
    body: Capabilities = {
        "model": can.name,
        "revision": can.revision,
        "sizes": can.sizes,
        "sizes_by_area": area(can) if can.sizes_by_area else None,
        "num_frames": can.num_frames,
        "fps": can.fps,
        "presets": {name: offer(preset) for name, preset in can.presets.items()},
        "defaults": {"preset": USUAL, "negative_prompt": can.negative_prompt},
        "limits": bounds(can),
    }
    return JSONResponse(body)


def offer(preset: Preset) -> PresetFacts:
    """Tell what a preset does."""
    return {
        "about": preset.about,
        "steps": preset.steps,
        "guidance_scale": preset.guidance_scale,
        "fixed": preset.sigmas is not None,
        "steps_least": limits.steps_least(preset),
    }


def area(can: Abilities) -> dict[str, int]:
    """Tell which sizes are taken besides the named ones, in pixels."""
    return {
        "side_multiple": can.side_multiple,
        "side_least": limits.side_least(can),
        "area_most": limits.area_most(can),
        "shape_most": limits.SHAPE_MOST,
    }


def bounds(can: Abilities) -> dict[str, dict[str, float]]:
    """Tell the least and the most of every other field of a request."""
    pack_s = limits.FRAMES_STEP / can.fps
    return {
        "prompt": {"length_most": wanted.PROMPT_LIMIT},
        "negative_prompt": {"length_most": wanted.PROMPT_LIMIT},
        "num_frames": {
            "least": limits.FRAMES_LEAST,
            "most": can.num_frames,
            "step": limits.FRAMES_STEP,
        },
        "seconds": {"least": round(pack_s, 3), "most": limits.seconds_most(can)},
        "steps": {"least": 1, "most": limits.STEPS_MOST},
        "guidance_scale": {"least": 1, "most": wanted.GUIDANCE_LIMIT},
        "seed": {"least": 0, "most": wanted.SEED_LIMIT - 1},
        "priority": {"least": -wanted.PRIORITY_LIMIT, "most": wanted.PRIORITY_LIMIT},
        "metadata": {
            "pairs_most": wanted.METADATA_LIMIT,
            "name_length_most": wanted.NAME_LIMIT,
            "value_length_most": wanted.VALUE_LIMIT,
        },
        "image_base64": {
            "bytes_most": pictures.LIMIT_BYTES,
            "side_least": pictures.SIDE_MIN,
            "side_most": pictures.SIDE_MAX,
            "pixels_most": pictures.PIXELS_MAX,
            "shape_most": pictures.SHAPE_MAX,
        },
    }
