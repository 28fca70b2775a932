"""Every sign that somebody needs the machine, by name."""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobstore import idleness
from jobstore import owner as owners
from jobstore.job import Stage
from jobstore.moves import State
from jobstore.store import Store
from runner.idle.settings import IdleSettings

SOON_MS = 900_000  # what has to wait for longer is delivered when the machine is started again


@dataclass(frozen=True)
class Signs:
    """The signs of one machine.

    Whether somebody is logged in and since when the machine runs is asked of `people` and
    `booted_at`; all else is in the store and in DATA_DIR.
    """

    settings: IdleSettings
    store: Store
    people: Callable[[], bool]
    booted_at: Callable[[], int]

    def at(self, now: int) -> list[str]:
        """Name those that there are; none on a machine that nobody needs.

        Raises:
            StoreUnavailable: as it says.
        """
        return [name for name, is_there in SIGNS.items() if is_there(self, now)]

    @property
    def host(self) -> str:
        """This machine, as the store knows it."""
        return owners.machine_id(self.settings.work)

    @property
    def stop_ms(self) -> int:
        """How long nobody may have needed it."""
        return int((self.settings.idle_stop_s or 0) * 1000)

    def counts(self, now: int) -> dict[State, int]:
        """Count the jobs that live, on whichever machine."""
        return self.store.views.counts(ended_since=now)

    def facts(self, name: str, now: int) -> list[dict[str, Any]]:
        """List what the living stages of a name tell of themselves on this machine."""
        return [dict(stage.facts) for stage in self.living(name, now)]

    def living(self, name: str, now: int) -> list[Stage]:
        """List the living stages of a name on this machine: one, mostly."""
        given, host = self.settings, self.host
        living = self.store.stages.living(given.heartbeat_s, given.work, now)
        return [stage for stage in living if (stage.name, stage.host) == (name, host)]


def dropped(signs: Signs, now: int) -> bool:
    """A job file waits to be taken in, or any file came or changed lately."""
    with contextlib.suppress(FileNotFoundError), os.scandir(signs.settings.inputs) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                waits = entry.name.endswith(".json") and not entry.name.startswith(".")
                changed_at = max(found.st_mtime, found.st_ctime) * 1000
                if stat.S_ISREG(found.st_mode) and (waits or changed_at > now - signs.stop_ms):
                    return True
    return False


def asked(signs: Signs, now: int) -> bool:
    """Somebody with a key called lately."""
    last = [facts.get("asked_at") or 0 for facts in signs.facts("gateway", now)]
    return max(last, default=0) > now - signs.stop_ms


SIGNS: dict[str, Callable[[Signs, int], bool]] = {
    "queued": lambda signs, now: signs.counts(now)[State.QUEUED] > 0,
    "processing": lambda signs, now: signs.counts(now)[State.PROCESSING] > 0,
    "owed": lambda signs, now: signs.store.views.owed_by(signs.host, now + SOON_MS) > 0,
    "dropped": dropped,
    "loading": lambda signs, now: any(
        facts.get("state") == "loading" for facts in signs.facts("render", now)
    ),
    "served": lambda signs, now: any(facts.get("serving") for facts in signs.facts("gateway", now)),
    "asked": asked,
    "login": lambda signs, _: signs.people(),
    "awake": lambda signs, now: idleness.awake_until(signs.settings.work, now) is not None,
    "booted": lambda signs, now: signs.booted_at() > now - signs.stop_ms,
}
