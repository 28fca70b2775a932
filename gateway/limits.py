"""What a model takes as it is: whatever its pipeline would bend is refused, with what is near.

Source:
    diffusers 0.42 pipelines/wan: sides are rounded down to multiples of the VAE's stride times the
    transformer's patch, frames to 4k + 1, both with no more than a warning.
"""

from jobstore.abilities import Abilities, Preset, largest_size, sides

FRAMES_LEAST = 5  # fewer are a picture
FRAMES_STEP = 4  # the VAE packs four frames into one
SIDE_LEAST = 4  # multiples of `side_multiple`
SHAPE_MOST = 4  # the longer side by the shorter, as for pictures
STEPS_MOST = 100
CACHED_STEPS_LEAST = 3  # below, the step cache would leave out even the first
SECONDS_OFF = 0.05  # of four frames: what a rounded number of seconds may be off


def check_size(size: str, can: Abilities) -> None:
    """Check a size, `WIDTHxHEIGHT`.

    Raises:
        ValueError: the model does not take it; says which it takes.
    """
    width, height = sides(size)
    if size in can.sizes:
        return
    if not can.sizes_by_area:
        message = f"is {size}; this model takes {', '.join(can.sizes)}"
        raise ValueError(message)
    if not fits(width, height, can):
        near = " or ".join(nearest_sizes(width, height, can))
        message = (
            f"is {size}; its sides are multiples of {can.side_multiple}, at least"
            f" {side_least(can)}, its area is at most {area_most(can)} pixels, and its longer side"
            f" at most {SHAPE_MOST} times its shorter: send {near}"
        )
        raise ValueError(message)


def fits(width: int, height: int, can: Abilities) -> bool:
    """Tell whether a model that takes sizes by area takes this one."""
    return (
        width % can.side_multiple == height % can.side_multiple == 0
        and min(width, height) >= side_least(can)
        and max(width, height) <= SHAPE_MOST * min(width, height)
        and width * height <= area_most(can)
    )


def area_most(can: Abilities) -> int:
    """Tell the largest area, in pixels: that of the model's largest size."""
    return max(width * height for width, height in map(sides, can.sizes))


def side_least(can: Abilities) -> int:
    """Tell the shortest side, in pixels."""
    return SIDE_LEAST * can.side_multiple


def nearest_sizes(width: int, height: int, can: Abilities, most: int = 2) -> list[str]:
    """Find sizes that the model takes: around the one given, and the largest of its shape."""
    multiple = can.side_multiple
    largest = max(map(sides, can.sizes), key=lambda size: size[0] * size[1])
    around = [
        (width // multiple * multiple + right, height // multiple * multiple + up)
        for right in (0, multiple)
        for up in (0, multiple)
    ]
    found = {*around, largest_size((width, height), largest, multiple)}
    fitting = [size for size in found if fits(*size, can)] or [sides(size) for size in can.sizes]
    fitting.sort(key=lambda size: (abs(size[0] - width) + abs(size[1] - height), size))
    return [f"{width}x{height}" for width, height in fitting[:most]]


def check_frames(frames: int, can: Abilities) -> None:
    """Check a number of frames.

    Raises:
        ValueError: it is not 4k + 1, too small or too large; says the nearest that are taken.
    """
    if frames % FRAMES_STEP == 1 and FRAMES_LEAST <= frames <= can.num_frames:
        return
    below = (frames - 1) // FRAMES_STEP * FRAMES_STEP + 1
    near = {min(max(n, FRAMES_LEAST), can.num_frames) for n in (below, below + FRAMES_STEP)}
    message = (
        f"is {frames}; it is 4k + 1, from {FRAMES_LEAST} to {can.num_frames}:"
        f" send {' or '.join(map(str, sorted(near)))}"
    )
    raise ValueError(message)


def frames_for(seconds: float, can: Abilities) -> int:
    """Count the frames of a video that lasts so long, the first one not counted.

    Raises:
        ValueError: no number of frames is that long; says the nearest that are.
    """
    packs = seconds * can.fps / FRAMES_STEP
    most = (can.num_frames - 1) // FRAMES_STEP
    whole = min(max(round(packs), 1), most)
    if abs(packs - whole) <= SECONDS_OFF:
        return whole * FRAMES_STEP + 1
    near = {min(max(n, 1), most) for n in (int(min(packs, most)), int(min(packs, most)) + 1)}
    lengths = " or ".join(f"{n * FRAMES_STEP / can.fps:.3g}" for n in sorted(near))
    message = (
        f"is {seconds:g}; a video is a multiple of {FRAMES_STEP} frames long, of {can.fps} in a"
        f" second, up to {most * FRAMES_STEP / can.fps:.3g} seconds: send {lengths}"
    )
    raise ValueError(message)


def seconds_most(can: Abilities) -> float:
    """Tell how long a video can be, in seconds."""
    return round((can.num_frames - 1) / can.fps, 3)


def steps_least(preset: Preset) -> int:
    """Tell the fewest steps that a preset can be made of."""
    return CACHED_STEPS_LEAST if preset.cache_threshold else 1


def check_steps(steps: int, name: str, preset: Preset) -> None:
    """Check a number of steps with a preset.

    Raises:
        ValueError: the preset is for another number.
    """
    if preset.sigmas and steps != preset.steps:
        message = f"is {steps}; the preset {name} is made for {preset.steps}: leave it out"
        raise ValueError(message)
    if steps < steps_least(preset):
        message = f"is {steps}; the preset {name} needs at least {steps_least(preset)}"
        raise ValueError(message)


def check_guidance(scale: float, name: str, preset: Preset) -> None:
    """Check a guidance scale with a preset.

    Raises:
        ValueError: the preset is for another one.
    """
    if preset.sigmas and scale != preset.guidance_scale:
        message = (
            f"is {scale:g}; the preset {name} is made for {preset.guidance_scale:g}: leave it out"
        )
        raise ValueError(message)
