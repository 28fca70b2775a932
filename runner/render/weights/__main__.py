"""`bin/setup --weights [FOLDER]`: the weights of the 5B come onto this machine, or are checked."""

import argparse
import errno
import signal
import sys
from pathlib import Path

from jobstore import settings
from jobstore.errors import SettingsWrong, Wan22Error
from runner.render.weights.bring import bring
from runner.render.weights.check import check, is_whole
from runner.render.weights.draft import bring_draft, is_there


def main() -> int:
    """Do what the command line says: 0 when the weights are whole, 1 if not, 2 if it is wrong."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # threads would finish their files first
    parser = argparse.ArgumentParser(
        prog="bin/setup --weights",
        description="Bring the weights of Wan 2.2 TI2V-5B onto this machine (34 GB to download, 44"
        " GB of disk meanwhile, 24 afterwards). Stopped or killed, it goes on where it was.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help="where they go; DATA_DIR/Wan2.2-TI2V-5B if left out"
    )
    parser.add_argument(
        "--check", action="store_true", help="bring nothing: read every byte of what is there"
    )
    parser.add_argument(
        "--draft",
        action="store_true",
        help="also bring the transformer of the preset `draft` (10 GB more); later runs keep to it",
    )
    parser.add_argument(
        "--whole", action="store_true", help="bring nothing: look whether names and sizes are right"
    )
    asked = parser.parse_args()
    try:
        folder = (asked.folder or settings.read(settings.Settings).checkpoint).absolute()
        if asked.whole:
            return 0 if is_whole(folder) else 1
        if asked.check:
            return 0 if check(folder) else 1
        draft = asked.draft or is_there(folder)
        bring(folder, more=draft)
        if draft:
            bring_draft(folder)
    except SettingsWrong as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (Wan22Error, OSError) as error:
        sys.stderr.write(f"setup: {said(error)}\n")
        return 1
    return 0


def said(error: Exception) -> str:
    """Say what is wrong and what to do."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full: make room, then run bin/setup --weights again; what is here stays"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
