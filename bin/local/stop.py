"""`bin/stop [--drain]`: the service of this machine stops, and nothing is lost."""

import argparse
import sys

from jobstore import settings
from jobstore.errors import SettingsWrong
from jobstore.settings import Settings
from local.supervised import Supervised


def main() -> int:
    """Stop; with systemd, which ends the processes itself, only the draining is done here."""
    asked = parsed()
    try:
        given = settings.read(Settings)
    except SettingsWrong as error:
        say(f"{error}")
        return 2
    if not asked.by_systemd:
        end(Supervised(given.data_dir))
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
    return parser.parse_args()


def end(supervised: Supervised) -> None:
    """End the processes in good order."""
    if supervised.is_up:
        say("Stopping; a render is given back after the step that it is at ...")
        supervised.stop()
        say("Stopped.")
    else:
        say("Nothing runs here.")


def say(text: str) -> None:
    """Tell the person something."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
