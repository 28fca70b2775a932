"""The composition root of `python -m runner render`."""

import random

from jobstore import settings
from runner.render.heap import give_large_blocks_back, is_large
from runner.render.work import Render
from runner.stage import Stage


def serve() -> int:
    """Read the settings, open what is needed, and render until told to stop."""
    given = settings.read(settings.ModelSettings)
    if is_large(given.model):
        give_large_blocks_back()
    stage = Stage("render", "jobs", given)
    return stage.serve(Render(stage, given, random.SystemRandom()))
