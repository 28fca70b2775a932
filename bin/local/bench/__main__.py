"""What bin/bench does once everything is installed."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from jobstore.abilities import DESCRIPTION, sides
from jobstore.errors import SettingsWrong
from local.bench.checkpoint import write_checkpoint
from local.bench.gateway import bench_gateway
from local.bench.gpu import Asked, bench_gpu
from local.bench.memory import bench_memory
from local.bench.pocket import bench_pocket
from local.bench.queue import bench_queue, last_line
from local.bench.refusal import Refused
from local.bench.render import bench_render
from local.bench.resume import bench_resume
from local.bench.vram import bench_vram
from runner.render.describe import WAN22_TI2V_5B

SIDE_MULTIPLE = WAN22_TI2V_5B.side_multiple


def main() -> int:
    """Run one bench; the exit code is 0 when it has been measured to the end, 2 if it cannot be."""
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    asked = arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="wan22-bench-") as folder:
            figures = BENCHES[asked.bench](asked, Path(folder))
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except Refused as error:
        say(str(error))
        return 2
    except SettingsWrong as error:
        say("\n".join(error.faults))
        return 2
    print(figures, flush=True)
    return 0


def on_queue(asked: argparse.Namespace, folder: Path) -> str:
    """The job store, beside others."""
    figures = bench_queue(folder, asked.pairs, asked.jobs, growth=asked.growth, say=say)
    return last_line(figures)


def on_memory(asked: argparse.Namespace, folder: Path) -> str:
    """The render stage with a model as large as the 5B."""
    checkpoint = asked.folder or folder / "checkpoint"
    if not (checkpoint / DESCRIPTION).is_file():
        write_checkpoint(checkpoint, say)
    return json.dumps(bench_memory(folder / "data", checkpoint, say))


def on_gpu(asked: argparse.Namespace, folder: Path) -> str:
    """The model of the settings, on a card."""
    return json.dumps(bench_gpu(folder, Asked(asked.size, asked.frames, asked.steps), say))


BENCHES: dict[str, Callable[[argparse.Namespace, Path], str]] = {
    "queue": on_queue,
    "gateway": lambda asked, folder: json.dumps(bench_gateway(folder, asked.pairs, say)),
    "pocket": lambda asked, _folder: json.dumps(bench_pocket(asked.clips)),
    "vram": lambda _asked, folder: last_line({**bench_vram(folder, say)}),
    "render": lambda asked, folder: json.dumps(bench_render(folder, asked.pairs, say)),
    "resume": lambda asked, folder: json.dumps(bench_resume(folder, asked.pairs)),
    "memory": on_memory,
    "gpu": on_gpu,
}


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
    gateway = benches.add_parser("gateway", help="submit and status, beside Starlette, FastAPI")
    gateway.add_argument("--pairs", type=at_least_one, default=9, help="turns of each side (9)")
    pocket = benches.add_parser("pocket", help="the embedded model: seconds a clip, memory")
    pocket.add_argument("--clips", type=at_least_one, default=5, help="clips to render (5)")
    render = benches.add_parser("render", help="the render stage, beside a bare script")
    render.add_argument("--pairs", type=at_least_one, default=7, help="turns of each side (7)")
    resume = benches.add_parser("resume", help="checkpoints: what they cost, what a kill loses")
    resume.add_argument("--pairs", type=at_least_one, default=9, help="turns of each side (9)")
    benches.add_parser("vram", help="GiB of a card that the 5B takes, counted without a card")
    memory = benches.add_parser("memory", help="the render stage's memory, with a model of 24 GB")
    memory.add_argument(
        "--folder", type=Path, help="the checkpoint; written if none is there (a temporary one)"
    )
    gpu = benches.add_parser("gpu", help="seconds and memory of the model in MODEL_DIR, on a card")
    gpu.add_argument("--size", type=size, help="WIDTHxHEIGHT, multiples of 32 (the model's own)")
    gpu.add_argument("--frames", type=frames, help="4k + 1 (the model's own)")
    gpu.add_argument("--steps", type=at_least_one, help="(the model's own)")
    return parser.parse_args()


def at_least_one(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def size(text: str) -> str:
    """Read a size that the pipelines do not bend."""
    if any(side % SIDE_MULTIPLE for side in sides(text)):
        raise ValueError(text)
    return text


def frames(text: str) -> int:
    """Read a number of frames that the VAE can pack: one, and then by fours."""
    number = at_least_one(text)
    if number % 4 != 1:
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
