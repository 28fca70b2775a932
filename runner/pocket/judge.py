"""What can be seen in a clip of the synthetic world: measured from its pixels alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runner.pocket.world import COLOURS, MOTIONS, SHAPES

Frames = NDArray[np.uint8]

APART = 46  # of 255, in any channel: less is ground
CORE = 3  # pixels from the edge: there the colour is not mixed with the ground
SHIFTED = 0.12  # of the side, between the first and the last frames; the world moves by 0.40
RESIZED = 1.3  # of the area; the world changes it by 2.6 and more
POINTED, ROUND = 0.64, 0.90  # of its box: a triangle fills 0.50, a circle 0.79, a square all
ENDS = 3  # frames at either end that are averaged
NONE = -1


@dataclass(frozen=True)
class Seen:
    """What a clip shows, as places in `COLOURS`, `SHAPES` and `MOTIONS`; -1 where none is seen."""

    colour: int
    shape: int
    motion: int

    def __str__(self) -> str:
        """Say it in words."""
        names = (tuple(COLOURS), SHAPES, MOTIONS)
        found = (self.colour, self.shape, self.motion)
        return " ".join(
            "none" if place == NONE else name[place]
            for name, place in zip(names, found, strict=True)
        )


def judge(frames: Frames) -> Seen:
    """Tell what a clip shows.

    The ground is the median of the frame's border, the object whatever differs from it. Its colour
    is the nearest of the world's to the median inside; its motion is what its centre and its area
    do between the first and the last three frames; its shape is how much of its box it fills, in
    the frames where it does not touch the border.

    Args:
        frames: uint8 `[f, h, w, 3]`, RGB.
    """
    border = np.concatenate([frames[:, :2].reshape(-1, 3), frames[:, -2:].reshape(-1, 3)])
    ground = np.median(border, axis=0)
    masks = np.abs(frames.astype(np.int16) - ground).max(-1) > APART
    if not masks.any((1, 2)).all():
        return Seen(NONE, NONE, NONE)
    return Seen(_colour(frames, masks), _shape(masks), _motion(masks))


def _colour(frames: Frames, masks: NDArray[np.bool_]) -> int:
    core = masks.copy()
    for axis in (1, 2):
        for step in range(-CORE, CORE + 1):
            core &= np.roll(masks, step, axis)
    inside = frames[core if core.any() else masks]
    palette = np.array(tuple(COLOURS.values())) * 255
    return int(np.square(palette - np.median(inside, axis=0)).sum(1).argmin())


def _motion(masks: NDArray[np.bool_]) -> int:
    _count, height, width = masks.shape
    area = masks.sum((1, 2))
    x = (masks.sum(1) @ np.arange(width)) / area / width
    y = (masks.sum(2) @ np.arange(height)) / area / height
    right, down, grown = (
        np.mean(each[-ENDS:]) - np.mean(each[:ENDS]) for each in (x, y, np.log(area))
    )
    if max(abs(right), abs(down)) > SHIFTED:
        name = ("right" if right > 0 else "left") if abs(right) > abs(down) else ""
        name = name or ("down" if down > 0 else "up")
    elif abs(grown) > np.log(RESIZED):
        name = "grow" if grown > 0 else "shrink"
    else:
        return NONE
    return MOTIONS.index(name)


def _shape(masks: NDArray[np.bool_]) -> int:
    touches = (
        masks[:, 0].any(1) | masks[:, -1].any(1) | masks[:, :, 0].any(1) | masks[:, :, -1].any(1)
    )
    inside = masks if touches.all() else masks[~touches]
    filled = []
    for mask in inside:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        filled.append(mask.sum() / box)
    fill = np.median(filled)
    name = "triangle" if fill < POINTED else "circle" if fill < ROUND else "square"
    return SHAPES.index(name)
