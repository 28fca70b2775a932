"""`bin/wan22 prune`: remove now what was kept long enough, and tell what."""

import argparse
import sys
from collections.abc import Iterator

from jobstore import settings
from jobstore.clock import now_ms
from jobstore.errors import Wan22Error
from jobstore.store import Store
from runner.deliver.retention import Retention
from runner.deliver.settings import DeliverSettings

EVERYTHING = 1_000_000


def main() -> int:
    """Do what the command line says; the exit code is 0 when it is done."""
    parser = argparse.ArgumentParser(prog="bin/wan22 prune", description=__doc__)
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, tell what would be removed"
    )
    dry = parser.parse_args().dry_run
    try:
        for line in pruned(dry=dry):
            sys.stdout.write(f"{line}\n")
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def pruned(*, dry: bool) -> Iterator[str]:
    """Remove all that is old; a line for each thing, and one for the whole."""
    given = settings.read(DeliverSettings)
    store = Store.open(given.store_url, given.wake)
    things = size_bytes = 0
    try:
        for gone in Retention(given, store).run(now_ms(), EVERYTHING, dry=dry):
            yield f"{gone.what} {gone.name}: {gone.size_bytes} bytes"
            things, size_bytes = things + 1, size_bytes + gone.size_bytes
    finally:
        store.close()
    done = "would be removed" if dry else "removed"
    yield f"{things} {done}, {size_bytes} bytes; videos by the delivery, once it runs."


if __name__ == "__main__":
    sys.exit(main())
