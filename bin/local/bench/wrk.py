"""The HTTP client of a measurement: `wrk`, a process of its own, faster than what it measures."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.bench.refusal import Refused

SCRIPT = Path(__file__).with_suffix(".lua")
PATIENCE_S = 30  # beyond the time it was told to take


@dataclass(frozen=True)
class Heard:
    """What a turn came to: answers per second, and how long half and 99 % of them took at most."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Question:
    """One request, to be sent again and again."""

    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: str | None = None


def found() -> str:
    """Find the program.

    Raises:
        Refused: it is not here.
    """
    program = shutil.which("wrk")
    if program is None:
        message = "This takes wrk. On Debian and Ubuntu: apt-get install wrk"
        raise Refused(message)
    return program


def ask(question: Question, clients: int, seconds: int) -> Heard:
    """Let so many clients ask for so long, each again as soon as it has its answer.

    Raises:
        Refused: an answer was an error, or none came: there is nothing to compare.
    """
    headers = [
        part for name, value in question.headers.items() for part in ("-H", f"{name}: {value}")
    ]
    form = [question.method, *([question.body] if question.body else [])]
    command = [found(), "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(SCRIPT), *headers]
    ran = subprocess.run(
        [*command, question.url, "--", *form],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + PATIENCE_S,
    )
    said = json.loads(ran.stdout.splitlines()[-1])
    if said["failed"] or not said["requests"]:
        message = f"{question.url} failed {said['failed']} of {said['requests']} times"
        raise Refused(message)
    rate = said["requests"] / said["duration_us"] * 1e6
    return Heard(rate, said["p50_us"] / 1000, said["p99_us"] / 1000)
