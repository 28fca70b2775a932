"""A stage that is not ready before the store tells what it said of itself meanwhile."""

import os
import signal
import sys
import time
from collections.abc import Mapping

from jobstore import settings
from runner.stage import Stage

PATIENCE_S = 60.0
ROUNDS = 4


class Settling:
    grace_s = 1.0
    still_s = 1.0

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.facts: Mapping[str, object] = {}

    def prepare(self) -> None:
        """Wait several times: the first beats, at the start of a stage, come at once anyway."""
        deadline = time.monotonic() + PATIENCE_S
        for loading in range(ROUNDS):
            self.facts = {"loading": loading}
            while not self.is_told(loading):
                if time.monotonic() > deadline:
                    message = "nobody was told"
                    raise TimeoutError(message)
                time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    def is_told(self, loading: int) -> bool:
        beating = self.stage.store.stages.all()
        return any(stage.facts.get("loading") == loading for stage in beating)

    def run_once(self) -> bool:
        return False

    def settle(self) -> None:
        """Nothing goes on beside."""


if __name__ == "__main__":
    stage = Stage("settling", "jobs", settings.read(settings.Settings))
    sys.exit(stage.serve(Settling(stage)))
