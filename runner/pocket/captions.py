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
EMPTY, POINTED, PARTIAL, GROUNDED, CAPITAL, DOT = 0.12, 0.12, 0.2, 0.5, 0.3, 0.3
PLACE_OF_SHAPE = 1  # in "red circle moves left"


def prompt(colour: int, shape: int, motion: int) -> str:
    """Say it in the plainest way: "a red circle moves right"."""
    return _with_article(
        "a", f"{tuple(COLOURS)[colour]} {SHAPES[shape]} {SAID[MOTIONS[motion]][0]}"
    )


def caption(
    triple: tuple[int, int, int], ground: int, chance: random.Random, *, image: bool
) -> str:
    """Say it in one of many ways, or say nothing, which trains the guidance.

    One in five leaves a part open ("a circle moves left"), and where an image is given, some only
    tell its motion ("it moves left").
    """
    if chance.random() < EMPTY:
        return ""
    colour, shape, motion = triple
    said = chance.choice(SAID[MOTIONS[motion]])
    if image and chance.random() < POINTED:
        words = f"it {said}"
    else:
        article = chance.choice(("a", "a", "the"))
        parts = [tuple(COLOURS)[colour], chance.choice(NAMES[SHAPES[shape]]), said]
        if chance.random() < PARTIAL:
            left_open = chance.randrange(len(parts))
            parts[left_open] = "shape" if left_open == PLACE_OF_SHAPE else ""
        words = _with_article(article, " ".join(part for part in parts if part))
        if chance.random() < GROUNDED:
            words += f" on a {tuple(GROUNDS)[ground]} background"
    if chance.random() < CAPITAL:
        words = words[0].upper() + words[1:]
    if chance.random() < DOT:
        words += "."
    return words


def _with_article(article: str, words: str) -> str:
    return f"an {words}" if article == "a" and words.startswith("o") else f"{article} {words}"
