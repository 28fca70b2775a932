"""Whether this machine is drained: it claims nothing then, which the store itself sees to."""

from collections.abc import Mapping

from structlog.stdlib import get_logger

from jobstore.drains import Drain
from jobstore.errors import StoreUnavailable
from runner.stage import Stage

log = get_logger()

DRAINING = "draining"
LOOK_S = 1.0


class Draining:
    """What the store says of draining this machine, looked at every second.

    A drain at once has what is held given back, in the middle of a step too; any other waits.
    """

    def __init__(self, stage: Stage) -> None:
        """Look for the machine of a stage, as long as that lives."""
        self._stage = stage
        self._drain: Drain | None = None
        stage.every(LOOK_S, DRAINING, self.tick)

    def tick(self) -> None:
        """Look once, and tell of a change at once; a store that is away changes nothing."""
        try:
            drain = self._stage.store.drains.of(self._stage.host)
        except StoreUnavailable:
            return  # whoever has work for the store says so
        if drain == self._drain:
            return
        self._drain = drain
        if drain:
            log.info("drain.begun", reason=drain.reason, at_once=drain.at_once)
        else:
            log.info("drain.lifted")
        self._stage.hand_back(at_once=drain is not None and drain.at_once)
        self._stage.heartbeat.tick()

    def over(self, facts: Mapping[str, object]) -> Mapping[str, object]:
        """Say so in what a stage that is ready tells of itself."""
        if self._drain is None or "state" not in facts:
            return facts
        return {**facts, "state": DRAINING, "draining": self._drain.reason}
