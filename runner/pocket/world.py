"""The synthetic world: one shape of one colour on a plain ground, moving, growing or shrinking.

All lengths are in sides of the frame and all times in frames; `y` points down, as in pictures.
"""

from dataclasses import dataclass, fields
from itertools import product
from typing import Self

import torch
from torch import Generator, Tensor

SIDE = 128
FRAMES = 17
COLOURS = {
    "red": (0.88, 0.06, 0.06),
    "green": (0.10, 0.66, 0.16),
    "blue": (0.10, 0.22, 0.92),
    "yellow": (0.98, 0.92, 0.12),
    "purple": (0.60, 0.12, 0.76),
    "orange": (1.00, 0.52, 0.04),
}
SHAPES = ("circle", "square", "triangle")
MOTIONS = ("left", "right", "up", "down", "grow", "shrink")
GROUNDS = {"black": (0.04, 0.04, 0.04), "white": (0.96, 0.96, 0.96), "gray": (0.5, 0.5, 0.5)}
DIRECTIONS = ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0))
SPEED, GROWTH = 0.025, 0.0075
STRAIGHT = len(MOTIONS) - 2
TRIPLES = tuple(product(range(len(COLOURS)), range(len(SHAPES)), range(len(MOTIONS))))


def unseen(colour: int, shape: int, motion: int) -> bool:
    """Tell whether training never shows this combination: one of six, spread over all parts."""
    return (colour + 2 * shape + motion) % 6 == 0


SEEN_TRIPLES = tuple(triple for triple in TRIPLES if not unseen(*triple))
UNSEEN_TRIPLES = tuple(triple for triple in TRIPLES if unseen(*triple))


@dataclass(frozen=True)
class Scenes:
    """A batch of `n` scenes: what is shown and how it moves.

    `shape`, `motion`, `ground_name` are int64 `[n]`; `colour` and `ground` float32
    `[n, 3]` in 0..1; `centre` and `velocity` `[n, 2]`; `radius` and `growth` `[n]`.
    """

    shape: Tensor
    motion: Tensor
    ground_name: Tensor
    colour: Tensor
    ground: Tensor
    centre: Tensor
    velocity: Tensor
    radius: Tensor
    growth: Tensor

    def __getitem__(self, chosen: slice) -> Self:
        """Give the chosen scenes."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        """Count the scenes."""
        return len(self.shape)


def scenes(triples: Tensor, chance: Generator) -> Scenes:
    """Place one scene for each triple (int64 `[n, 3]`: colour, shape, motion) at random.

    Source:
        The sizes at which a 16x VAE still tells the shapes apart: radius 0.20 to 0.28 of the side
        (found by trial: at 0.13 to 0.18 shape was lost in the round trip).
    """
    count = len(triples)
    colour, shape, motion = triples.unbind(1)
    ground = torch.randint(len(GROUNDS), (count,), generator=chance)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=chance)

    heading = torch.tensor(DIRECTIONS)[motion]
    straight = motion < STRAIGHT
    shrinks = motion == STRAIGHT + 1
    across = torch.stack([between(0.36, 0.64), between(0.36, 0.64)], 1)
    start = between(0.28, 0.42)[:, None]
    along = torch.where(heading > 0, start, 1 - start)
    small = between(0.16, 0.18)
    return Scenes(
        shape=shape,
        motion=motion,
        ground_name=ground,
        colour=torch.tensor(tuple(COLOURS.values()))[colour],
        ground=torch.tensor(tuple(GROUNDS.values()))[ground],
        centre=torch.where(heading != 0, along, across),
        velocity=heading * SPEED,
        radius=torch.where(
            straight,
            between(0.20, 0.28),
            torch.where(shrinks, small + GROWTH * (FRAMES - 1), small),
        ),
        growth=torch.where(straight, 0.0, torch.where(shrinks, -GROWTH, GROWTH)),
    )


def draw(what: Scenes, times: Tensor, corner: Tensor | None = None, side: int = SIDE) -> Tensor:
    """Draw windows of the scenes at the given frames.

    Args:
        what: `n` scenes.
        times: frame numbers, `[n, f]`.
        corner: left and top of each window in pixels, `[n, 2]`; none for the top left.
        side: of the window, in pixels; the whole frame has `SIDE` of them.

    Returns:
        float32 `[n, 3, f, side, side]` in -1..1, edges smoothed over one pixel.
    """
    if corner is None:
        corner = torch.zeros(len(what), 2)
    pixels = torch.arange(side) + 0.5
    when = times.to(torch.float32)
    centre = (what.centre[:, None] + what.velocity[:, None] * when[..., None]) * SIDE
    radius = (what.radius[:, None] + what.growth[:, None] * when)[..., None, None] * SIDE
    x = (corner[:, :1] + pixels)[:, None, None, :] - centre[..., 0, None, None]
    y = (corner[:, 1:] + pixels)[:, None, :, None] - centre[..., 1, None, None]
    cover = (0.5 - _distance(what.shape[:, None, None, None], x, y, radius)).clamp(0, 1)[:, None]
    paint, ground = (each[:, :, None, None, None] for each in (what.colour, what.ground))
    return (ground + (paint - ground) * cover) * 2 - 1


def _distance(shape: Tensor, x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """How far outside the shape a point lies, in the unit of the radius; negative inside."""
    circle = torch.sqrt(x * x + y * y) - radius
    square = torch.maximum(x.abs(), y.abs()) - 0.9 * radius
    slope = x.abs() * 0.8660254 - y * 0.5
    triangle = torch.maximum(slope, y.expand_as(slope)) - 0.625 * radius
    return torch.where(shape == 0, circle, torch.where(shape == 1, square, triangle))
