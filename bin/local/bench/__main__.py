"""What bin/bench does once everything is installed."""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from local.bench.pocket import bench_pocket
from local.bench.queue import bench_queue, last_line
from local.bench.resume import bench_resume
from local.bench.vram import bench_vram


def main() -> int:
    """Run one bench; the exit code is 0 when it has been measured to the end."""
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    asked = arguments()
    try:
        if asked.bench == "pocket":
            print(json.dumps(bench_pocket(asked.clips)), flush=True)
            return 0
        with tempfile.TemporaryDirectory(prefix="wan22-bench-") as folder:
            if asked.bench == "vram":
                figures: dict[str, float | None] = {**bench_vram(Path(folder), say)}
            elif asked.bench == "resume":
                figures = {**bench_resume(Path(folder), asked.pairs)}
            else:
                figures = bench_queue(
                    Path(folder), asked.pairs, asked.jobs, growth=asked.growth, say=say
                )
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    print(last_line(figures), flush=True)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/bench",
        description="Measure wan22 on this machine; beside others in turns, as ratios.",
    )
    benches = parser.add_subparsers(dest="bench", required=True)
    queue = benches.add_parser("queue", help="the job store, beside huey, litequeue, procrastinate")
    queue.add_argument("--pairs", type=at_least_one, default=9, help="turns of each side (9)")
    queue.add_argument(
        "--jobs", type=at_least_one, help="jobs in a turn (as many as a pair does in a second)"
    )
    queue.add_argument(
        "--no-growth", dest="growth", action="store_false", help="leave the million jobs out"
    )
    pocket = benches.add_parser("pocket", help="the embedded model: seconds a clip, memory")
    pocket.add_argument("--clips", type=at_least_one, default=5, help="clips to render (5)")
    resume = benches.add_parser("resume", help="checkpoints: what they cost, what a kill loses")
    resume.add_argument("--pairs", type=at_least_one, default=9, help="turns of each side (9)")
    benches.add_parser("vram", help="GiB of a card that the 5B takes, counted without a card")
    return parser.parse_args()


def at_least_one(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def say(text: str) -> None:
    """Tell a person what is being done; the results alone go to stdout."""
    print(text, file=sys.stderr, flush=True)


def interrupted(*_: object) -> NoReturn:
    """End in good order when somebody ends us, as on Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
