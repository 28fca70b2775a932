"""The composition root of `python -m runner render`."""

import random

from jobstore import settings
from runner.render.heap import give_large_blocks_back
from runner.render.work import Render
from runner.stage import Stage


def serve() -> int:
    """Read the settings, open what is needed, and render until told to stop."""
    give_large_blocks_back()
    given = settings.read(settings.ModelSettings)
    stage = Stage("render", "jobs", given)
    return stage.serve(Render(stage, given, random.SystemRandom()))
