"""What is said of a scene: the captions of the training and the prompts of the measurement."""

import random

from runner.pocket.world import COLOURS, GROUNDS, MOTIONS, SHAPES

NAMES = {
    "circle": ("circle", "circle", "circle", "disc", "ball"),
    "square": ("square", "square", "square", "box"),
    "triangle": ("triangle",),
}
SAID = {
    "left": ("moves left", "moves left", "slides left", "drifts left", "goes to the left"),
    "right": ("moves right", "moves right", "slides right", "drifts right", "goes to the right"),
    "up": ("moves up", "moves up", "rises", "climbs", "goes up"),
    "down": ("moves down", "moves down", "falls", "sinks", "goes down"),
    "grow": ("grows", "grows", "expands", "gets bigger", "becomes larger"),
    "shrink": ("shrinks", "shrinks", "gets smaller", "becomes smaller"),
}
EMPTY, POINTED, GROUNDED, CAPITAL, DOT = 0.12, 0.12, 0.5, 0.3, 0.3


def prompt(colour: int, shape: int, motion: int) -> str:
    """Say it in the plainest way: "a red circle moves right"."""
    name = SHAPES[shape]
    return f"a {tuple(COLOURS)[colour]} {name} {SAID[MOTIONS[motion]][0]}"


def caption(
    triple: tuple[int, int, int], ground: int, chance: random.Random, *, image: bool
) -> str:
    """Say it in one of many ways, or say nothing, which trains the guidance.

    Where an image is given, some captions only tell its motion ("it moves left").
    """
    colour, shape, motion = triple
    if chance.random() < EMPTY:
        return ""
    motion_said = chance.choice(SAID[MOTIONS[motion]])
    if image and chance.random() < POINTED:
        words = f"it {motion_said}"
    else:
        name = chance.choice(NAMES[SHAPES[shape]])
        article = chance.choice(("a", "a", "the"))
        words = f"{article} {tuple(COLOURS)[colour]} {name} {motion_said}"
        if article == "a" and words.startswith("a orange"):
            words = f"an{words[1:]}"
        if chance.random() < GROUNDED:
            words += f" on a {tuple(GROUNDS)[ground]} background"
    if chance.random() < CAPITAL:
        words = words[0].upper() + words[1:]
    if chance.random() < DOT:
        words += "."
    return words
