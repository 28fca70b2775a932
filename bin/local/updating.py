"""`python -m local.updating`: what bin/update has to know of a service and its job store."""

import argparse
import sys
from pathlib import Path

from jobstore import settings, sqlite
from jobstore.backup import database_file
from jobstore.errors import Wan22Error
from jobstore.owner import living_owners
from jobstore.settings import Settings


def main() -> int:
    """Tell what is asked for; 1 where the answer is no."""
    parser = argparse.ArgumentParser(prog="python -m local.updating", description=__doc__)
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("runs", help="whether a process of the service is there")
    ways.add_parser("migration", help="the last migration that the store has had; 0: no store")
    ways.add_parser("since", help="how many jobs a copy lacks").add_argument("file", type=Path)
    asked = parser.parse_args()
    try:
        given = settings.read(Settings)
        if asked.way == "runs":
            return 0 if living_owners(given.work) else 1
        file = database_file(given)
        if asked.way == "migration":
            told = sqlite.last_migration(file) if file.exists() else 0
        else:
            told = len(sqlite.job_ids(file) - sqlite.job_ids(asked.file))
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
