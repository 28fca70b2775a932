"""What bin/demo does once everything is installed: from one prompt to one video."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gateway.client import Client, Refused
from local.running import ENDING, StartFailed, stand_alone
from local.stack import Stack
from local.supervised import Supervised

console = Console(stderr=True, highlight=False, markup=False)


def main() -> int:
    """Run the demo; the exit code is 0 when there is a video."""
    for number in ENDING:
        signal.signal(number, interrupted)
    stand_alone()
    asked = arguments()
    given = os.environ.get("DATA_DIR")
    folder = Path(given) if given else Path(tempfile.mkdtemp(prefix="wan22-demo-"))
    if Supervised(folder).is_up:
        console.print(f"A service runs in DATA_DIR {folder}; unset DATA_DIR, or bin/stop it first.")
        return 1
    done = False
    try:
        done = show(asked, folder.resolve())
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    except (StartFailed, Refused) as error:
        console.print(error, style="red")
    except httpx2.HTTPError as error:
        console.print(f"The service does not answer as it should: {error}", style="red")
    finally:
        if not given and done:
            shutil.rmtree(folder, ignore_errors=True)
        elif not done:
            console.print(f"What each process said is in {folder / 'logs'}.")
    return 0 if done else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description="Render one video through the whole service on this machine.",
        epilog="Set DATA_DIR to keep everything in a folder, MODEL_DIR for another model.",
    )
    parser.add_argument("prompt", help="what to show, such as: a red circle moves right")
    parser.add_argument("--image", type=Path, help="a picture to start from (PNG, JPEG, WebP)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same video again")
    parser.add_argument("--preset", help="how to render: one of those in GET /capabilities")
    parser.add_argument("--output", type=Path, help="where the MP4 goes (default: wan22-JOB.mp4)")
    parser.add_argument("--keep", action="store_true", help="keep all running until Ctrl-C")
    asked = parser.parse_args()
    if asked.image and not asked.image.is_file():
        parser.error(f"there is no file {asked.image}")
    goes_to = (asked.output or Path("wan22-JOB.mp4")).absolute()
    if goes_to.is_dir() or not os.access(goes_to.parent, os.W_OK | os.X_OK):
        parser.error(
            f"{goes_to} cannot be written there; make its folder, or name another --output"
        )
    return asked


def show(asked: argparse.Namespace, folder: Path) -> bool:
    """Start everything, render, and stop everything again; True when there is a video."""
    model = os.environ.get("MODEL_DIR") or "pocket"
    with Stack(folder, model, say=console.print) as stack:
        stack.start()
        job = stack.client.submit(asked.prompt, asked.image, seed=asked.seed, preset=asked.preset)
        status = follow(stack, job["job_id"])
        if status["status"] != "completed":
            console.print(f"The job {status['status']}: {status['error']}", style="red")
            return False
        file = (asked.output or Path(f"wan22-{job['job_id']}.mp4")).absolute()
        Client.fetch(status["video_url"], file)
        size = f"{status['width']}x{status['height']}, {status['num_frames']} frames"
        console.print(f"Done: {size}, seed {status['seed']}.")
        print(f"video: {file}")
        print(f"link:  {status['video_url']}", flush=True)
        if asked.keep:
            keep(stack)
        else:
            console.print("Everything is stopped again, so the link ends here; --keep keeps it.")
    return True


def follow(stack: Stack, job_id: str) -> dict[str, Any]:
    """Show how far a job is until it has ended: a bar on a terminal, lines elsewhere.

    Raises:
        StartFailed: a process has ended that the job needs.
    """
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[place]}"),
        TimeElapsedColumn(),
    )
    status: dict[str, Any] = {}
    last = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("queued", total=100, place="")
        for status in stack.client.follow(job_id, every_s=0.1):
            stack.check()
            phase, place = status["phase"] or status["status"], where(status)
            bar.update(task, completed=status["progress"], description=phase, place=place)
            line = f"{phase:<16} {status['progress']:>3} %  {place}".rstrip()
            if not console.is_terminal and line != last:
                console.print(line)
                last = line
    return status


def where(status: dict[str, Any]) -> str:
    """Say the place in the queue, or the step."""
    if status["position"]:
        return f"place {status['position']} in the queue"
    return f"step {status['step']} of {status['steps']}"


def keep(stack: Stack) -> None:
    """Leave everything running, and say how to use it, until Ctrl-C."""
    print(f"export WAN22={stack.url} API_SECRET_KEY={stack.key}", flush=True)
    console.print("All keeps running; use it from another terminal, and end it here with Ctrl-C.")
    signal.pause()


def interrupted(*_: object) -> NoReturn:
    """End in good order when somebody ends us, as on Ctrl-C; being told so once is enough."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
