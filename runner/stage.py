"""How a stage lives: woken or by the clock, it does one thing after another until told to stop.

Threads: one works, one beats and does nothing else, one looks for what no wake-up told of, one
watches for wake-ups, and the main thread waits for a signal. The first signal ends the stage in
good order, a second one at once.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from structlog.stdlib import get_logger

from jobstore import owner as owners
from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.notify import Notify
from jobstore.owner import Owner
from jobstore.settings import Settings
from jobstore.store import Store
from runner.heartbeat import Heartbeat
from runner.schedule import Schedule

log = get_logger()

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
EXIT_AT_ONCE = 70  # sysexits.h: a fault of the software itself
PREPARING_BEAT_S = 1.0
POLLS_MISSED = 3  # after which the work looks for itself
LOADING_STILL_S = 120.0  # without coming further, after which systemd may give up a start


class Work(Protocol):
    """What a stage does: get ready once, then one thing at a time."""

    grace_s: float  # how long it may take to end in good order

    @property
    def still_s(self) -> float:
        """For how long one thing may go without coming further; then the process hangs."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What it tells of itself at each beat."""

    def prepare(self) -> None:
        """Get ready to work; may take minutes."""

    def run_once(self) -> bool:
        """Do one thing; False when there was nothing to do."""

    def settle(self) -> None:
        """Wait for what of it still goes on beside; the stage stops."""


class Stage:
    """One process that does one kind of work for a store."""

    def __init__(self, name: str, topic: str, settings: Settings) -> None:
        """Name the stage and what wakes it, and open the store."""
        self.name = name
        self.topic = topic
        self.settings = settings
        self.host = owners.machine_id(settings.work)
        self.store = Store.open(settings.store_url, settings.wake)
        self.owner = Owner.join(settings.work)
        self.heartbeat = Heartbeat(self._beat)
        self.stopping = threading.Event()
        self.moved_at = time.monotonic()  # when any of the work last came further
        self._notify = Notify()
        self._busy_since: float | None = None  # None: it waits for work
        self._woken = threading.Event()
        self._handing_back = threading.Event()
        self._facts: Callable[[], Mapping[str, object]] = dict
        self._prepared = threading.Event()
        self._left = threading.Event()
        self._failed = False
        self._ticks: list[tuple[float, str, Callable[[], None]]] = []

    def every(self, seconds: float, name: str, tick: Callable[[], None]) -> None:
        """Run a tick of its own at the start and then every so many seconds, beside the work."""
        self._ticks.append((seconds, name, tick))

    def serve(self, work: Work) -> int:
        """Work until a signal comes; the exit code is 0 unless the work itself broke.

        Signals are held back before any thread is made, so that only the main one takes them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._facts = lambda: work.facts
        schedule = Schedule()
        schedule.every(self.settings.poll_s, "poll", self._look)
        for seconds, name, tick in self._ticks:
            schedule.every(seconds, name, tick)
        self.store.database.watch(self.topic, self._woken.set, self.stopping)
        self.heartbeat.tick()
        worker = self._start("work", self._run, work)
        beats = self._start(
            "heartbeat", self.heartbeat.run, self._beat_after_s, self._left, self._tell_of(work)
        )
        schedule.start()
        signal.sigwait(SIGNALS)
        log.info("stage.signalled")
        self._notify.stopping()
        self.stopping.set()
        self._woken.set()
        ended = self._wait_for(worker, work.grace_s)
        schedule.stop()
        self._left.set()
        beats.join()
        self._leave()
        if self._failed or not ended:
            sys.stdout.flush()
            os._exit(int(self._failed))  # a thread that does not end must not hold up the exit
        return int(self._failed)

    def wake(self) -> None:
        """Look for work now: something that it waited for has happened."""
        self._woken.set()

    def hand_back(self, *, at_once: bool) -> None:
        """Have what is held given back from now on, or, when that is over, look for work again."""
        if at_once:
            self._handing_back.set()
        else:
            self._handing_back.clear()
        self._woken.set()

    @property
    def hands_back(self) -> bool:
        """Whether what is held is to be given back: the stage stops, or its machine is taken."""
        return self.stopping.is_set() or self._handing_back.is_set()

    @staticmethod
    def _start(name: str, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        thread.start()
        return thread

    def _wait_for(self, worker: threading.Thread, grace_s: float) -> bool:
        """Give the work time to end by itself; what it still holds then is free to be taken back.

        Nothing is held while the stage gets ready, so there is nothing to wait for then. A second
        signal ends the process at once.
        """
        deadline = time.monotonic() + grace_s
        while self._prepared.is_set() and worker.is_alive() and time.monotonic() < deadline:
            if signal.sigtimedwait(SIGNALS, 0.1):
                os._exit(EXIT_AT_ONCE)
        return not worker.is_alive()

    def _run(self, work: Work) -> None:
        try:
            work.prepare()
            self._prepared.set()
            log.info("stage.started", **work.facts)
            self._notify.ready(described(work.facts))
            self.heartbeat.tick()
            self._woken.set()
            while not self.stopping.is_set():
                if not self._woken.wait(POLLS_MISSED * self.settings.poll_s):
                    self._look()  # the clock was set back, and the schedule with it
                self._woken.clear()
                self._drain(work)
                self._busy_since = None
            work.settle()
        except Exception:
            log.exception("stage.crashed")
            self._failed = True
        finally:
            if not self.stopping.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    def _drain(self, work: Work) -> None:
        try:
            while not self.stopping.is_set():
                self._busy_since = time.monotonic()
                if not work.run_once():
                    return
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))

    def _look(self) -> None:
        """Take back what dead processes held, and look for work that no wake-up told of."""
        try:
            # What is ours comes first: after a sleep, our own lease may be over and still be ours.
            self.heartbeat.tick()
            self._rescue(owners.dead_owners(self.settings.work), now_ms())
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))
        finally:
            self._woken.set()

    def _rescue(self, dead: list[str], now: int) -> None:
        for job in self.store.jobs.rescue(dead, now):
            log.warning("job.rescued", job_id=job.job_id, state=job.state, fence=job.fence)
        for delivery in self.store.outbox.rescue(dead, now):
            log.warning("outbox.rescued", job_id=delivery.job_id)
        owners.forget(self.settings.work, dead)

    def _beat_after_s(self) -> float:
        """Beat more often while getting ready: somebody may be watching how far it is."""
        usual_s = self._notify.every_s(self.settings.heartbeat_s)
        return usual_s if self._prepared.is_set() else min(usual_s, PREPARING_BEAT_S)

    def _tell_of(self, work: Work) -> Callable[[], None]:
        """Make what tells systemd, after each beat, that the work comes on, as long as it does."""
        last: Mapping[str, object] = {}

        def tell() -> None:
            nonlocal last
            facts, before = dict(work.facts), last
            last = facts
            if self._prepared.is_set():
                if self._comes_on(work):
                    self._notify.alive(described(facts))
            elif facts != before:
                self._notify.moving(LOADING_STILL_S, described(facts))

        return tell

    def _comes_on(self, work: Work) -> bool:
        since = self._busy_since
        return since is None or time.monotonic() - max(since, self.moved_at) < work.still_s

    def _beat(self) -> None:
        facts = {
            "state": "loading",
            "owner": self.owner.owner_id,
            "hostname": socket.gethostname(),
            **self._facts(),
        }
        if self.stopping.is_set():
            facts["state"] = "stopping"
        self.store.stages.beat(self.name, self.host, facts, now_ms())

    def _leave(self) -> None:
        try:
            self.store.stages.leave(self.name, self.host)
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))
        self.owner.leave()
        self.store.close()
        log.info("stage.stopped")


def described(facts: Mapping[str, object]) -> str:
    """Say in a line how a stage is, for people."""
    loading = facts.get("loading")
    if isinstance(loading, Mapping) and loading.get("total_bytes"):
        share = 100 * int(loading["loaded_bytes"]) // int(loading["total_bytes"])
        left = "" if loading.get("eta_s") is None else f", {loading['eta_s']} s left"
        return f"loading the model: {share} %{left}"
    return str(facts.get("state", "loading"))


def end_here() -> NoReturn:
    """End the process at once: nothing in it can be trusted, and its supervisor starts a new one.

    An error of the card makes every later call fail as well; what does not move cannot be asked to
    stop. The job is taken back like that of any process that died: three of those give it up.
    """
    sys.stdout.flush()
    os._exit(EXIT_AT_ONCE)
