"""`bin/start`: the service of this machine runs, and whoever started it sees that it does."""

import argparse
import subprocess
import sys
import time

from gateway.addresses import CannotListen, listen
from gateway.listening import ListeningSettings
from jobstore import settings
from jobstore.drains import Reason
from jobstore.errors import SettingsWrong, Wan22Error
from jobstore.owner import machine_id
from jobstore.settings import ModelSettings, Settings
from jobstore.store import Store
from local.doctor.dotenv import judged, known
from local.readiness import Readiness, client_of
from local.running import StartFailed
from local.supervised import Supervised
from runner.deliver.settings import DeliverSettings

PATIENCE_S = 1800.0  # a model of 24 GB from a slow disk takes some minutes
PASSED_OVER = (
    "Processes run with this DATA_DIR that bin/start did not start, or whose supervisord was"
    " killed. End them first: pgrep -af 'python.* -m (gateway|runner)' lists them, kill PID ends"
    " one in good order."
)
TRIES_S = 10.0  # for which a process may fail to start: a port may be free in a moment


def main() -> int:
    """Start what does not run; 0 when all of it is ready, 2 if a setting is wrong."""
    asked = parsed()
    try:
        given = read_all()
        return 0 if start(given, by_systemd=asked.by_systemd) else 1
    except SettingsWrong as error:
        say(f"{error}\nThey are read from the environment, and from .env in DATA_DIR.")
        return 2
    except (StartFailed, Wan22Error, subprocess.CalledProcessError, OSError) as error:
        say(f"{error}")
        return 1
    except KeyboardInterrupt:
        say("It goes on starting; bin/start shows how far it is, bin/stop stops it.")
        return 130


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/start",
        description="Start the service of this machine, by systemd where bin/setup has installed"
        " it, else as processes that are started anew whenever they end. What runs goes on.",
    )
    parser.add_argument("--by-systemd", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def read_all() -> ListeningSettings:
    """Read the settings of all three processes, so that all faults are told before any starts.

    Raises:
        SettingsWrong: with the faults of all, each once.
    """
    faults: dict[str, None] = {}
    given: ListeningSettings | None = None
    for kind in (ListeningSettings, ModelSettings, DeliverSettings):
        try:
            read = settings.read(kind)
        except SettingsWrong as error:
            faults |= dict.fromkeys(error.faults)
        else:
            given = read if isinstance(read, ListeningSettings) else given
    if faults or given is None:
        raise SettingsWrong(list(faults))
    return given


def start(given: ListeningSettings, *, by_systemd: bool) -> bool:
    """Start it, and wait until it is ready.

    Raises:
        StartFailed: a process does not start; the message has what it said.
    """
    lift(given)
    supervised = None if by_systemd else Supervised(given.data_dir)
    logs = "journalctl -o cat -n 20 -u wan22-gateway -u wan22-render -u wan22-deliver"
    if supervised:
        logs = f"tail -n 5 {supervised.logs}/*.log"
        check(supervised, given)
        supervised.start(known())
    with client_of(given) as client:
        if Readiness(client, say).wait(Failing(supervised).all_run, PATIENCE_S):
            say(f"Ready: {given.base_url}; bin/stop stops it. Its logs: {logs}")
            return True
    say(f"Not all of it is ready after {PATIENCE_S:.0f} s; it goes on starting. See: {logs}")
    return False


def check(supervised: Supervised, given: ListeningSettings) -> None:
    """Look whether it can be started as it is asked for, and tell of names that mean nothing.

    Raises:
        StartFailed: it cannot.
    """
    file = given.data_dir / ".env"
    if file.exists():
        finding = judged(file, file.read_text(encoding="utf-8"))
        if finding.mend:
            say(f"{finding.found}: {finding.mend}")
    if supervised.is_passed_over:
        raise StartFailed(PASSED_OVER)
    if not supervised.is_up:
        check_port(given)
    elif changed := supervised.changed(known()):
        message = (
            f"It runs with other settings ({', '.join(changed)}): new ones hold after bin/stop and"
            " bin/start."
        )
        raise StartFailed(message)


def check_port(given: ListeningSettings) -> None:
    """Look whether our gateway can listen: who answers there already may look like it.

    Raises:
        StartFailed: it cannot.
    """
    try:
        listeners = listen(given.host, given.port, public=True)
    except CannotListen as error:
        message = f"{error} Nothing was started: end who listens there, or set another PORT."
        raise StartFailed(message) from error
    for listener in listeners:
        listener.close()


def lift(given: Settings) -> None:
    """Let this machine claim jobs again, should a bin/stop --drain have been cut off."""
    store = Store.open(given.store_url, given.wake)
    try:
        store.drains.lift(machine_id(given.work), Reason.STOP)
    finally:
        store.close()


class Failing:
    """Gives up on a process that ends again and again instead of getting ready."""

    def __init__(self, supervised: Supervised | None) -> None:
        """Watch those that were just started; what systemd does, its own logs tell."""
        self._supervised = supervised
        self._since: dict[str, float] = {}

    def all_run(self) -> bool:
        """Tell whether all run, for long enough to count.

        Raises:
            StartFailed: one has ended again and again.
        """
        if self._supervised is None:
            return True
        now = time.monotonic()
        states = self._supervised.states()
        failing = {name for name, state in states.items() if state != "RUNNING"}
        self._since = {name: self._since.get(name, now) for name in failing}
        for name, since in self._since.items():
            if now - since > TRIES_S:
                message = (
                    f"{name} does not start; it is tried again until bin/stop. It says:\n"
                    f"{self._supervised.log_of(name)}"
                )
                raise StartFailed(message)
        return bool(states) and not failing


def say(text: str) -> None:
    """Tell the person something."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
