"""What `bin/bench gateway` does: the gateway in turns with Starlette, FastAPI and its own store."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from ulid import ULID

from jobstore.clock import now_ms
from jobstore.job import Arrival
from jobstore.store import Store
from local.bench import wrk
from local.bench.ours import REQUEST, SHA256
from local.bench.pairs import Spread
from local.bench.process_memory import resident_bytes
from local.bench.queue import flush_time_us, numbers
from local.running import Running, free_ports, is_free
from local.stack import Stack

Say = Callable[[str], None]
Turn = Callable[[], wrk.Heard]

CLIENTS = 8
TURN_S = 2
QUEUED = 10  # jobs that are there when a turn begins
STARTS = 3
EMPTY = ("DELETE FROM job_events", "DELETE FROM outbox", "DELETE FROM jobs")
BODY = '{"prompt": "a red circle moves right"}'


@dataclass
class Home:
    """The job store of one side, with the same few jobs in it whenever a turn begins."""

    store: Store
    job_id: str = field(default="", init=False)

    def accept(self) -> str:
        """Take a job in, as the gateway does."""
        arrival = Arrival(str(ULID()), REQUEST, "rest", "main", request_hash=SHA256)
        return self.store.jobs.accept(arrival, now_ms())[0].job_id

    def begin(self) -> None:
        """Forget what the last turn left, and queue the few jobs; the one in the middle is read."""
        with self.store.database.writing() as connection:
            for statement in EMPTY:
                connection.execute(statement)
        self.job_id = [self.accept() for _ in range(QUEUED)][QUEUED // 2]


@dataclass(frozen=True)
class Site:
    """A web application with a store of its own, and how it is asked."""

    url: str
    headers: dict[str, str]
    home: Home

    def submit(self) -> wrk.Heard:
        """Send jobs for a turn."""
        self.home.begin()
        headers = {**self.headers, "Content-Type": "application/json"}
        return wrk.ask(wrk.Question(f"{self.url}/generate", headers, "POST", BODY), CLIENTS, TURN_S)

    def status(self) -> wrk.Heard:
        """Ask for the status of one job for a turn."""
        self.home.begin()
        question = wrk.Question(f"{self.url}/status/{self.home.job_id}", self.headers)
        return wrk.ask(question, CLIENTS, TURN_S)


def in_process(home: Home) -> wrk.Heard:
    """Accept jobs for a turn, in this process, by as many threads as there are clients."""
    home.begin()
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        futures = [threads.submit(accept_until, home, began + TURN_S) for _ in range(CLIENTS)]
        took_s = sorted(took for future in futures for took in future.result())
    rate = len(took_s) / (time.perf_counter() - began)
    return wrk.Heard(rate, median(took_s) * 1000, took_s[int(len(took_s) * 0.99)] * 1000)


def accept_until(home: Home, end: float) -> list[float]:
    """Accept jobs until a moment; answers how long each took, in seconds."""
    took_s = []
    while (began := time.perf_counter()) < end:
        home.accept()
        took_s.append(time.perf_counter() - began)
    return took_s


def bench_gateway(folder: Path, pairs: int, say: Say) -> dict[str, float]:
    """Measure, print the table, and answer the figures that are judged."""
    wrk.found()
    say("starting the gateway, a bare Starlette and a FastAPI application ...")
    start_s = median(start_time_s(folder / f"start-{number}") for number in range(STARTS))
    with ExitStack() as stack:
        ours, pid = stack.enter_context(our_site(folder / "gateway"))
        bare = stack.enter_context(other_site(folder / "starlette", "bare_web"))
        fastapi = stack.enter_context(other_site(folder / "fastapi", "fastapi_web"))
        alone = stack.enter_context(opened(folder / "alone"))
        turns: dict[str, Turn] = {
            "status: gateway": ours.status,
            "status: starlette": bare.status,
            "status: fastapi": fastapi.status,
            "submit: gateway": ours.submit,
            "submit: database": lambda: in_process(alone),
            "submit: fastapi": fastapi.submit,
        }
        heard = in_turns(turns, pairs, say)
        rss_mib = resident_bytes(pid) / (1 << 20)
    console = Console(highlight=False, width=120)
    console.print(table(heard))
    console.print(
        f"{CLIENTS} clients on SQLite, synchronous=FULL, {QUEUED} jobs in the queue at the start of"
        f" a turn of {TURN_S} s.\nA write with fdatasync takes {flush_time_us(folder):.0f} us on"
        " this disk. Where that is far below 1000, the database accepts\nas fast as it computes,"
        " and so the gateway is compared with that.\n"
        f"submit beside FastAPI: {ratio(heard, 'submit: fastapi', 'submit: gateway')}"
    )
    return {
        "submit_vs_database": ratio(heard, "submit: database", "submit: gateway"),
        "status_vs_starlette": ratio(heard, "status: starlette", "status: gateway"),
        "status_vs_fastapi": ratio(heard, "status: fastapi", "status: gateway"),
        "rss_mib": round(rss_mib, 1),
        "start_s": round(start_s, 2),
    }


def in_turns(turns: dict[str, Turn], pairs: int, say: Say) -> dict[str, list[wrk.Heard]]:
    """Let all take their turns, forwards and backwards, after one that does not count."""
    say(f"{pairs} turns of each, {TURN_S} s a turn ...")
    heard: dict[str, list[wrk.Heard]] = {name: [] for name in turns}
    for turn in turns.values():
        turn()
    for number in range(pairs):
        names = list(turns) if number % 2 else list(turns)[::-1]
        for name in names:
            heard[name].append(turns[name]())
    return heard


def ratio(heard: dict[str, list[wrk.Heard]], other: str, ours: str) -> float:
    """Say how many times as many answers per second the gateway gives, the median of the pairs."""
    pairs = zip(heard[ours], heard[other], strict=True)
    return round(median(mine.rate / its.rate for mine, its in pairs), 3)


def table(heard: dict[str, list[wrk.Heard]]) -> Table:
    """Show how many answers each side gives per second, and how long they take."""
    shown = Table(title="the gateway beside others; median (least .. most) of the turns")
    for heading in ("", "per second", "p50 ms", "p99 ms"):
        shown.add_column(heading)
    for name, turns in heard.items():
        rates = numbers(Spread.of([turn.rate for turn in turns]))
        halves = numbers(Spread.of([turn.p50_ms for turn in turns]), 1)
        tails = numbers(Spread.of([turn.p99_ms for turn in turns]), 1)
        shown.add_row(name, rates, halves, tails)
    return shown


@contextmanager
def opened(folder: Path) -> Iterator[Home]:
    """Open a job store of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "work" / "wake")
    try:
        yield Home(store)
    finally:
        store.close()


@contextmanager
def our_site(folder: Path) -> Iterator[tuple[Site, int]]:
    """Start the gateway; with its pid."""
    with Stack(folder) as stack, opened(folder) as home:
        running = stack.up("gateway")
        yield Site(stack.url, {"X-API-Key": stack.key}, home), running.pid


@contextmanager
def other_site(folder: Path, module: str) -> Iterator[Site]:
    """Start another application, with the settings of a gateway of its own."""
    (port,) = free_ports(1)
    with Stack(folder) as stack, opened(folder) as home:
        command = [sys.executable, "-P", "-m", f"local.bench.{module}", str(port)]
        running = Running(command, folder / "logs" / f"{module}.log", stack.env)
        try:
            running.wait_until(lambda: not is_free(port))
            yield Site(f"http://127.0.0.1:{port}", {"X-API-Key": stack.key}, home)
        finally:
            running.end()


def start_time_s(folder: Path) -> float:
    """Measure how long the gateway takes from its start until it answers, in seconds."""
    with Stack(folder) as stack:
        began = time.perf_counter()
        stack.up("gateway")
        return time.perf_counter() - began
