"""`python -m runner.pocket`: train, measure and show the embedded model."""

import argparse
import json
import os
from pathlib import Path

from jobstore.abilities import USUAL
from jobstore.settings import EMBEDDED_MODEL


def main() -> None:
    """Run one command; what it finds goes to stdout, what it does to stderr."""
    asked = arguments()
    if asked.command == "train":
        from runner.pocket.train import Plan, train

        train(asked.work, asked.processes, asked.folder, Plan())
    from runner.pocket import measure

    if asked.command == "sheet":
        measure.sheet(asked.folder, asked.to)
    else:
        preset = asked.preset if asked.command == "measure" else USUAL
        print(json.dumps(measure.measure(asked.folder, preset)), flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m runner.pocket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("train", "train anew, or go on where a run was stopped; measure at the end"),
        ("measure", "render the prompts of the measurement and judge the clips"),
        ("sheet", "draw a contact sheet"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--folder", type=Path, default=EMBEDDED_MODEL, help="the checkpoint (the embedded one)"
        )
        if name == "train":
            command.add_argument(
                "--work", type=Path, required=True, help="a folder for what is between two runs"
            )
            command.add_argument(
                "--processes", type=int, default=os.cpu_count(), help="one for each core"
            )
        if name == "measure":
            command.add_argument("--preset", default=USUAL, help=f"one of the model's ({USUAL})")
        if name == "sheet":
            command.add_argument("--to", type=Path, required=True, help="the PNG to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
