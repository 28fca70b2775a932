"""Repeating things; the only file that knows APScheduler.

APScheduler says job, job store and executor for other things than wan22 does. Its jobs are called
ticks here: one bounded run of a loop. A tick only wakes a thread or takes milliseconds: a tick that
still runs when it is due again is left out, and whatever it raises is logged and swallowed.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


class Schedule:
    """Ticks, each with a thread of its own, so that a slow one keeps no other waiting."""

    def __init__(self) -> None:
        """Make an empty schedule; it runs from `start` to `stop`."""
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )

    def every(self, seconds: float, name: str, tick: Callable[[], None]) -> None:
        """Run a tick now and then every so many seconds."""
        self._scheduler.add_executor(ThreadPoolExecutor(1), alias=name)
        self._scheduler.add_job(
            tick,
            "interval",
            seconds=seconds,
            id=name,
            executor=name,
            next_run_time=datetime.now(UTC),
        )

    def start(self) -> None:
        """Begin ticking."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking, once the running ticks have ended."""
        self._scheduler.shutdown(wait=True)
