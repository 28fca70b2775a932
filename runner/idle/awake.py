"""`bin/wan22 awake`: keep this machine from stopping for a while, whoever needs it."""

import argparse
import re
import sys

from jobstore import idleness, settings
from jobstore.clock import now_ms, text
from jobstore.errors import Wan22Error

UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"([1-9][0-9]{0,3})([mhd])")
USUAL, OFF = "2h", "off"


def main() -> int:
    """Do what the command line says; the exit code is 0 when it is done."""
    parser = argparse.ArgumentParser(prog="bin/wan22 awake", description=__doc__)
    parser.add_argument(
        "duration",
        nargs="?",
        default=USUAL,
        type=span_s,
        help=f"such as 90m, {USUAL} (if left out) or 3d; `{OFF}`: let it stop again",
    )
    asked_s: int = parser.parse_args().duration
    try:
        sys.stdout.write(f"{held(asked_s)}\n")
    except (Wan22Error, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def span_s(duration: str) -> int:
    """Read a duration, in seconds; none is 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    if duration == OFF:
        return 0
    match = DURATION.fullmatch(duration)
    if match is None:
        message = f"{duration!r} is no duration: a number and m, h or d, or {OFF}"
        raise argparse.ArgumentTypeError(message)
    return int(match[1]) * UNITS_S[match[2]]


def held(span: int) -> str:
    """Hold the machine awake for so many seconds, or no longer; answers what is so now."""
    work = settings.read(settings.Settings).work
    if not span:
        idleness.let_sleep(work)
        return "This machine is not held awake: it stops when nobody needs it, if IDLE_STOP_S says."
    until = now_ms() + span * 1000
    idleness.hold_awake(work, until)
    return f"This machine does not stop by itself until {text(until)}."


if __name__ == "__main__":
    sys.exit(main())
