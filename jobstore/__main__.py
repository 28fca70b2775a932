"""`python -m jobstore`: `backup FILE`, `restore FILE` and `verify FILE [SIDECAR]`."""

import argparse
import sys
from pathlib import Path

from jobstore import settings
from jobstore.backup import backup, restore
from jobstore.errors import Wan22Error
from jobstore.verify import verify


def main() -> int:
    """Do what the command line says; the exit code is 0 when it is done."""
    asked = parsed()
    try:
        if asked.command == "backup":
            size_bytes = backup(settings.read(settings.Settings), asked.file.absolute())
            print(f"{asked.file}: {size_bytes} bytes, whole and checked.")
        elif asked.command == "restore":
            restored = restore(settings.read(settings.Settings), asked.file.absolute())
            print(f"Restored from {asked.file}; what was there is kept in {restored.kept}.")
            for job_id in restored.unknown_jobs:
                print(f"accepted after the backup, and lost with it: {job_id}")
        else:
            said = verify(asked.file, asked.sidecar or asked.file.with_suffix(".json"))
            print(f"{asked.file}: the video of job {said.job_id}, byte for byte.")
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22", epilog="There is also: bin/wan22 certificate ADDRESS..., see its --help."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose, file in (
        ("backup", "write a copy of the job store", "the copy"),
        ("restore", "put a copy in the place of the job store", "the copy"),
        ("verify", "check a video file against its sidecar", "the video"),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("file", type=Path, help=file)
    command.add_argument(
        "sidecar", type=Path, nargs="?", help="if left out, the .json of the same name beside it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
