"""How far a render is, in percent of the whole."""

from jobstore.job import Phase

SPANS = {
    Phase.LOADING_MODEL: (0, 0),
    Phase.ENCODING_PROMPT: (0, 2),
    Phase.DENOISING: (2, 90),
    Phase.DECODING: (90, 98),
    Phase.ENCODING_VIDEO: (98, 100),
}
"""At which percent each phase begins and ends; denoising is nearly all of the time. Frames are
encoded while they are decoded: the phase named for it is the rest, and the checks."""


def percent(phase: Phase, done: int, steps: int) -> int:
    """Tell how far the whole is; `done` counts steps while denoising, else percent of the phase."""
    begin, end = SPANS[phase]
    return begin + (end - begin) * done // (steps if phase is Phase.DENOISING else 100)
