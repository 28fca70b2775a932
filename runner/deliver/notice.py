"""AWS tells before it takes this machine: what it renders is given back, what it owes hastened."""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.drains import Reason
from jobstore.errors import MetadataUnavailable, StoreUnavailable
from jobstore.instance import Instance
from runner.stage import Stage

log = get_logger()

LOOK_S = 5.0
SELDOM_S = 60.0  # on a machine that is no instance of EC2, as it seems
MISSES_MOST = 3  # after which it seems so
EVERYTHING = 1_000_000


class Notice(NamedTuple):
    """What AWS is going to do (`terminate`, `stop`, `hibernate`), and when, as it writes it."""

    action: str
    at: str | None


class Notices:
    """Asks whether this machine is taken away, again and again.

    Source:
        A Spot Instance is told two minutes before, and AWS recommends to ask every 5 seconds
        ("Spot Instance interruption notices"); one of an Auto Scaling group by its target state
        ("Retrieve the target lifecycle state through instance metadata").
    """

    def __init__(
        self, stage: Stage, instance: Instance, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask what `instance` says, for the machine of a stage."""
        self._stage = stage
        self._instance = instance
        self._clock = clock
        self._ask_at = 0.0
        self._misses: int | None = 0  # None: it is an instance of EC2
        self._noticed: bool | None = None  # None: not known yet

    def tick(self) -> None:
        """Ask, unless that has proved to be of little use lately, and do what follows."""
        if self._clock() < self._ask_at:
            return
        try:
            notice = notice_of(self._instance)
            self._misses = None
            self._heed(notice)
        except MetadataUnavailable:
            self._miss()
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))

    def _miss(self) -> None:
        """Nothing answered: ask less often, unless something did before."""
        if self._misses is None:
            return
        self._misses += 1
        if self._misses == MISSES_MOST:
            log.info("machine.unwatched")
        if self._misses >= MISSES_MOST:
            self._ask_at = self._clock() + SELDOM_S

    def _heed(self, notice: Notice | None) -> None:
        """Drain the machine, or let it work again: it was stopped, and started another time."""
        store, host = self._stage.store, self._stage.host
        if notice is None:
            if self._noticed is not False:
                store.drains.lift(host, Reason.SPOT)
            self._noticed = False
            return
        if not self._noticed:
            store.drains.begin(host, Reason.SPOT, now_ms(), at_once=True)
            log.warning("machine.noticed", action=notice.action, at=notice.at)
        self._noticed = True
        store.outbox.hasten(host, now_ms(), EVERYTHING)
        self._stage.wake()


def notice_of(instance: Instance) -> Notice | None:
    """Ask for a notice; what cannot be read is one as well.

    Raises:
        MetadataUnavailable: nothing answers.
    """
    said = instance.tell("spot/instance-action")
    if said is not None:
        try:
            told = json.loads(said)
            return Notice(str(told["action"]), str(told["time"]))
        except (ValueError, TypeError, KeyError):
            return Notice("unknown", None)
    if instance.tell("autoscaling/target-lifecycle-state") == "Terminated":
        return Notice("terminate", None)
    return None
