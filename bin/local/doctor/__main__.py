"""`bin/wan22 doctor`: look at everything, and say what mends what is wrong."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from jobstore import logs
from local.doctor.examine import examine
from local.doctor.machine import Machine, silent
from local.doctor.report import Found, healthy, lines, machine_readable, show, summary
from local.doctor.table import CHECKS, Check


def main() -> int:
    """Look; the exit code is 1 if any check fails, 2 if nobody should look like this."""
    asked = parsed()
    told = stranger(Path(os.environ.get("DATA_DIR") or "/data"), os.geteuid())
    if told:
        sys.stderr.write(f"{told}\n")
        return 2
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure("doctor", nowhere)  # what the parts we use would say of themselves
        checks = [check for check in CHECKS if is_wanted(check, asked)]
        found = looked_at(checks, asked)
    return 0 if healthy(found) else 1


def stranger(data_dir: Path, user: int) -> str | None:
    """Say who should look instead, if `DATA_DIR` is of somebody else: most would be hidden."""
    if not data_dir.is_dir() or user in {0, data_dir.stat().st_uid}:
        return None
    return f"{data_dir} belongs to {data_dir.owner()}, and you are not: sudo bin/wan22 doctor"


def is_wanted(check: Check, asked: argparse.Namespace) -> bool:
    """Tell whether a check is to be run."""
    return check.name in asked.check if asked.check else asked.deep or not check.deep


def looked_at(checks: Sequence[Check], asked: argparse.Namespace) -> Found:
    """Run the checks, and show what they find."""
    console = Console(highlight=False)
    found: Found = []
    if asked.json:
        found += [(check.name, examine(check, Machine(deep=asked.deep))) for check in checks]
        print(machine_readable(found))
    elif console.is_terminal:
        for check in checks:
            with telling(console, check.name) as say:
                found.append((check.name, examine(check, Machine(deep=asked.deep, say=say))))
        show(found, console)
    else:
        for check in checks:
            found.append((check.name, examine(check, Machine(deep=asked.deep))))
            print("\n".join(lines(*found[-1])), flush=True)
        print(summary(found), flush=True)
    return found


@contextmanager
def telling(console: Console, name: str) -> Iterator[Callable[[str], None]]:
    """Show what is being looked at, and how far it is."""
    with console.status(name) as status:
        yield (lambda line: status.update(f"{name}: {line}")) if console.is_terminal else silent


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22 doctor",
        description="Look at everything wan22 needs, and say what mends what is wrong.",
        epilog="The exit code is 1 if a check fails; a warning is none. Run it as root, or as the"
        " user who runs wan22: DATA_DIR/.env is for nobody else.",
    )
    parser.add_argument(
        "check",
        nargs="*",
        metavar="CHECK",
        help=f"only these: {', '.join(check.name for check in CHECKS)}",
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="read every byte of weights and store, and render a tiny clip through the API",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args()
    names = [check.name for check in CHECKS]
    for name in asked.check:
        if name not in names:
            parser.error(f"there is no check {name}; there are {', '.join(names)}")
    return asked


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a check that hangs must not hold up the exit
