"""`bin/stop [--drain]`: the service of this machine stops, and nothing is lost."""

import argparse
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from jobstore import settings
from jobstore.clock import now_ms
from jobstore.drains import Reason
from jobstore.errors import SettingsWrong, StoreUnavailable
from jobstore.moves import State
from jobstore.owner import machine_id
from jobstore.settings import Settings
from jobstore.store import Store
from local.start import PASSED_OVER, lift, say
from local.supervised import Supervised

EVERY_S = 0.5
SAY_EVERY_S = 10.0
AWAY = ("storage_away", "storage_refused")


def main() -> int:
    """Stop; where systemd ends the processes, only the draining is done here.

    No setting is looked at unless the store is needed: a wrong one must not keep it running.
    """
    asked = parsed()
    try:
        stop(Path(os.environ.get("DATA_DIR") or "/data").resolve(), asked)
    except SettingsWrong as error:
        say(f"{error}")
        return 2
    except StoreUnavailable as error:
        say(f"The job store cannot be used ({error}). Without --drain it is not needed.")
        return 1
    except KeyboardInterrupt:
        say("Called off: it goes on as before.")
        return 130
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/stop",
        description="Stop the service of this machine. What is being rendered is given back, with"
        " all the steps that were made; what was not delivered goes out after the next start.",
    )
    parser.add_argument(
        "--drain", action="store_true", help="finish and deliver first what is being rendered"
    )
    parser.add_argument("--by-systemd", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--lift", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def stop(data_dir: Path, asked: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        SettingsWrong: those that say where the store is.
        StoreUnavailable: it is not known what is left to do.
    """
    supervised = Supervised(data_dir)
    if asked.lift:
        lift(settings.read(Settings))
    elif asked.drain and (asked.by_systemd or supervised.is_up):
        with Draining(settings.read(Settings)) as draining:
            draining.wait()
            draining.stays = asked.by_systemd
            if not asked.by_systemd:
                end(supervised, "Nothing is being rendered any more. Stopping ...")
    elif not asked.by_systemd:
        end(supervised)


def end(
    supervised: Supervised,
    what: str = "Stopping; a render is given back after the step that it is at ...",
) -> None:
    """End the processes in good order, and say what is done."""
    if supervised.is_up:
        say(what)
        supervised.stop()
        say("Stopped.")
    elif supervised.is_passed_over:
        say(PASSED_OVER)
    else:
        say("Nothing runs here.")


class Draining:
    """This machine claims nothing, from the beginning of a `with` to its end."""

    def __init__(self, given: Settings) -> None:
        """Open the store."""
        self.stays = False  # beyond the end, until somebody lifts it
        self._host = machine_id(given.work)
        self._store = Store.open(given.store_url, given.wake)
        self._said = ("", 0.0)

    def __enter__(self) -> Self:
        """Begin."""
        self._store.drains.begin(self._host, Reason.STOP, now_ms(), at_once=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Let it claim again, when it is started again or goes on after all."""
        if error is not None or not self.stays:
            self._store.drains.lift(self._host, Reason.STOP)
        self._store.close()

    def wait(self) -> None:
        """Wait until what was begun is rendered and delivered, and tell how far it is.

        Videos are not waited for while the storage cannot be used: they are safe on the disk.
        """
        while True:
            rendering, undelivered = self._store.views.in_hand(self._host)
            if not rendering and undelivered and self._storage_is_away():
                say(f"{undelivered} to be delivered, but the storage is away: at the next start.")
                return
            if not rendering and not undelivered:
                return
            self._tell(f"{rendering} being rendered{self._far()}, {undelivered} to be delivered")
            time.sleep(EVERY_S)

    def _far(self) -> str:
        jobs = self._store.views.page(1, states=(State.PROCESSING,))
        return f" ({jobs[0].progress} %)" if jobs else ""

    def _storage_is_away(self) -> bool:
        return any(
            stage.facts.get("state") in AWAY
            for stage in self._store.stages.all()
            if (stage.name, stage.host) == ("deliver", self._host)
        )

    def _tell(self, text: str) -> None:
        said, said_at = self._said
        new = text.partition("(")[0] != said.partition("(")[0]
        if new or (text != said and time.monotonic() - said_at > SAY_EVERY_S):
            self._said = (text, time.monotonic())
            say(f"Draining, Ctrl-C calls it off: {text}")


if __name__ == "__main__":
    sys.exit(main())
