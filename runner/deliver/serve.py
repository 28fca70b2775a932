"""The composition root of `python -m runner deliver`."""

import random

from jobstore import settings
from jobstore.objects import Objects
from runner.deliver.pay import Pay
from runner.stage import Stage


def serve() -> int:
    """Read the settings, open what is needed, and deliver until told to stop."""
    given = settings.read(settings.StorageSettings)
    stage = Stage("deliver", "outbox", given)
    return stage.serve(Pay(stage, Objects.wanted(given), random.SystemRandom()))
