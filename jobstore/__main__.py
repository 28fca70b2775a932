"""`python -m jobstore`: `backup`, `restore`, `verify` and `keys`, what a person does by hand."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jobstore import keyring, settings
from jobstore.backup import backup, restore
from jobstore.errors import Wan22Error
from jobstore.verify import verify


def main() -> int:
    """Do what the command line says; the exit code is 0 when it is done."""
    asked = parsed()
    try:
        for line in asked.does(asked):
            print(line)
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def backed_up(asked: argparse.Namespace) -> Iterator[str]:
    """Write a copy of the job store."""
    size_bytes = backup(settings.read(settings.Settings), asked.file.absolute())
    yield f"{asked.file}: {size_bytes} bytes, whole and checked."


def put_back(asked: argparse.Namespace) -> Iterator[str]:
    """Put a copy in the place of the job store."""
    restored = restore(settings.read(settings.Settings), asked.file.absolute())
    yield f"Restored from {asked.file}; what was there is kept in {restored.kept}."
    for job_id in restored.unknown_jobs:
        yield f"accepted after the backup, and lost with it: {job_id}"


def verified(asked: argparse.Namespace) -> Iterator[str]:
    """Check a video file against its sidecar."""
    said = verify(asked.file, asked.sidecar or asked.file.with_suffix(".json"))
    yield f"{asked.file}: the video of job {said.job_id}, byte for byte."


def made(asked: argparse.Namespace) -> Iterator[str]:
    """Make a key; nobody can show it again."""
    yield keyring.new(settings.read(settings.Settings), asked.name)


def listed(_asked: argparse.Namespace) -> Iterator[str]:
    """List the keys, by what they are called."""
    yield from keyring.listed(settings.read(settings.Settings))


def revoked(asked: argparse.Namespace) -> Iterator[str]:
    """Revoke all keys of a name, or one."""
    count = keyring.revoke(settings.read(settings.Settings), asked.name)
    yield f"{asked.name}: {count} revoked, from now on."


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22",
        epilog="There are also bin/wan22 certificate, prune and doctor, see their --help.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command(commands, "backup", backed_up).add_argument("file", type=Path, help="the copy")
    command(commands, "restore", put_back).add_argument("file", type=Path, help="the copy")
    video = command(commands, "verify", verified)
    video.add_argument("file", type=Path, help="the video")
    video.add_argument(
        "sidecar", type=Path, nargs="?", help="if left out, the .json of the same name beside it"
    )
    purpose = "make, list and revoke keys beside API_SECRET_KEY"
    keys = commands.add_parser("keys", help=purpose, description=purpose)
    ways = keys.add_subparsers(required=True, metavar="COMMAND")
    command(ways, "new", made).add_argument("name", help="whose jobs its jobs are")
    command(ways, "list", listed)
    command(ways, "revoke", revoked).add_argument("name", help="a name, or what one key is called")
    return parser.parse_args()


def command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    does: Callable[[argparse.Namespace], Iterator[str]],
) -> argparse.ArgumentParser:
    """Add a command, which is told of by what does it."""
    purpose = (does.__doc__ or "").rstrip(".")
    parser = commands.add_parser(name, help=purpose, description=purpose)
    parser.set_defaults(does=does)
    return parser


if __name__ == "__main__":
    sys.exit(main())
