"""`python -m runner.idle`: look once whether anybody needs this machine; if not, stop it.

To be run every minute. The exit code is 0 when it was stopped, or, with --ask, is to be; else 1.
"""

import argparse
import functools
import shlex
import subprocess
import sys

from structlog.stdlib import get_logger

from jobstore import process, settings
from jobstore.aws import Account
from jobstore.instance import Instance
from jobstore.store import Store
from runner.idle.dangers import dangers
from runner.idle.people import booted_at, somebody_is_logged_in
from runner.idle.settings import POWER_OFF, IdleSettings
from runner.idle.signs import Signs
from runner.idle.warning import warn
from runner.idle.watch import Watch

log = get_logger()

NOT_NOW = 1
BROKEN = 255  # systemd.service(5), ExecCondition: more than "not now"


def main() -> int:
    """Look once."""
    parser = argparse.ArgumentParser(prog="python -m runner.idle", description=__doc__)
    parser.add_argument(
        "--ask",
        action="store_true",
        help=f"leave `{POWER_OFF}` to whoever asks and has the right to; the exit code tells",
    )
    asks = parser.parse_args().ask
    exit_code = 0

    def look() -> int:
        nonlocal exit_code
        exit_code = 0 if looked(asks=asks) else NOT_NOW
        return 0

    return BROKEN if process.run("idle", look) else exit_code


def looked(*, asks: bool) -> bool:
    """Look, and stop the machine if it is time; tells whether it is, or whoever asks is to."""
    given = settings.read(IdleSettings)
    if given.idle_stop_s is None:
        return False
    store = Store.open(given.store_url, given.wake)
    try:
        ask_aws = functools.partial(dangers, Instance(), Account(given).shutdown_behavior)
        signs = Signs(given, store, somebody_is_logged_in, booted_at)
        if not Watch(signs, ask_aws, functools.partial(warn, given)).look():
            return False
    finally:
        store.close()
    if asks and given.idle_command == POWER_OFF:
        return True
    return run(given.idle_command) and not asks


def run(command: str) -> bool:
    """Run what stops the machine, without a shell; tells whether it went well."""
    try:
        subprocess.run(shlex.split(command), check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        log.error("stop.failed", error=str(error))
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
