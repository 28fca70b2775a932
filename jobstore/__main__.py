"""`python -m jobstore backup FILE` and `python -m jobstore restore FILE`."""

import argparse
import sys
from pathlib import Path

from jobstore import settings
from jobstore.backup import backup, restore
from jobstore.errors import Wan22Error


def main() -> int:
    """Do what the command line says; the exit code is 0 when it is done."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22", description="Keep a copy of the job store, or go back to one."
    )
    parser.add_argument("command", choices=("backup", "restore"))
    parser.add_argument("file", type=Path, help="the copy")
    asked = parser.parse_args()
    try:
        given = settings.read(settings.Settings)
        if asked.command == "backup":
            size_bytes = backup(given, asked.file.absolute())
            print(f"{asked.file}: {size_bytes} bytes, whole and checked.")
        else:
            restored = restore(given, asked.file.absolute())
            print(f"Restored from {asked.file}; what was there is kept in {restored.kept}.")
            for job_id in restored.unknown_jobs:
                print(f"accepted after the backup, and lost with it: {job_id}")
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
