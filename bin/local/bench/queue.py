"""What `bin/bench queue` does: wan22's job store beside other queues, and beside its older self."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import sqlite_version

from pysqlite3 import dbapi2 as driver
from rich.console import Console
from rich.table import Table

from local.bench.growth import grown
from local.bench.ours import Ours, on_postgres, on_sqlite
from local.bench.pairs import Pairs, Spread, fitting, turns
from local.bench.rivals import Huey, LiteQueue, Procrastinate, Raw, Rival
from local.postgres import PostgresServer

GROWTH = ("accept", "claim", "status", "position")  # those that are judged
FLUSHES = 200

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One comparison: wan22 beside somebody, at one kind of work."""

    work: str
    rival: str
    durability: str
    pairs: Pairs


def bench_queue(
    folder: Path, pairs: int, jobs: int | None, *, growth: bool, say: Say
) -> dict[str, float | None]:
    """Measure, print the tables, and answer the figures that are judged."""
    console = Console(highlight=False, width=160)
    flush_us = flush_time_us(folder)
    rows = [*beside_files(folder, pairs, jobs, say), *beside_server(folder, pairs, jobs, say)]
    console.print(rate_table(rows))
    console.print(
        "wan22's finish also writes the outbox row; huey deletes the task when it is dequeued.\n"
        f"Its SQLite is {driver.sqlite_version}, that of huey and litequeue {sqlite_version}.\n"
        f"A write with fdatasync takes {flush_us:.0f} us on this disk. Where that is far below"
        " 1000, commits cost next to nothing and the ratios compare computing time."
    )
    figures: dict[str, float | None] = {
        "accept_vs_huey": median_of(rows, "accept", Huey.name),
        "finish_vs_huey": median_of(rows, "claim + finish", Huey.name),
        "finish_vs_procrastinate": median_of(rows, "claim + finish", Procrastinate.name),
        "growth_1m": None,
    }
    if growth:
        aged = dict(grown(folder, pairs, say))
        console.print(growth_table(aged))
        figures["growth_1m"] = round(max(aged[work].cost_ratio.median for work in GROWTH), 3)
    return figures


def beside_files(folder: Path, pairs: int, jobs: int | None, say: Say) -> Iterator[Row]:
    """Compare wan22 on SQLite with queues on SQLite, each with a file of its own."""
    makers: tuple[Callable[[Path], Rival], ...] = (Huey, LiteQueue, Raw)
    for number, make in enumerate(makers):
        home = folder / f"files-{number}"
        home.mkdir()
        with on_sqlite(home) as ours, closing(make(home)) as rival:
            say(f"wan22 and {rival.name}, in turns ...")
            yield from compare(ours, rival, pairs, jobs)
            if isinstance(rival, Huey):
                yield from compare_dequeue(ours, rival, pairs, jobs)


def beside_server(folder: Path, pairs: int, jobs: int | None, say: Say) -> Iterator[Row]:
    """Compare wan22 on PostgreSQL with procrastinate, each with a database of its own."""
    say("starting PostgreSQL ...")
    home = folder / "server"
    server = PostgresServer(home)
    with ExitStack() as stack:
        stack.callback(server.stop)
        ours = stack.enter_context(on_postgres(server.make(), home))
        rival = stack.enter_context(closing(Procrastinate(server.make())))
        say(f"wan22 and {rival.name}, in turns ...")
        yield from compare(ours, rival, pairs, jobs)


def compare(ours: Ours, rival: Rival, pairs: int, jobs: int | None) -> Iterator[Row]:
    """Accept in turns, then claim and finish what was accepted in turns."""
    accept = fitting([ours.accept, rival.accept], jobs)
    finish = fitting([ours.finish, rival.finish], jobs)
    count = min(accept, finish)
    mine, other = (ours.accept, ours.finish), (rival.accept, rival.finish)
    both = turns(mine, other, pairs, count)
    for work, taken in zip(("accept", "claim + finish"), both, strict=True):
        yield Row(work, rival.name, both_durable(ours, rival), taken)


def compare_dequeue(ours: Ours, huey: Huey, pairs: int, jobs: int | None) -> Iterator[Row]:
    """Compare with huey once more, but without a result: who only takes messages out."""
    accept = fitting([ours.accept, huey.accept], jobs)
    ours.finish(50)
    huey.dequeue(50)
    mine, other = (ours.accept, ours.finish), (huey.accept, huey.dequeue)
    _, taken = turns(mine, other, pairs, accept)
    yield Row("claim + finish", "huey: dequeue only", both_durable(ours, huey), taken)


def both_durable(ours: Ours, rival: Rival) -> str:
    """Name how durable both are, or each if they differ."""
    if ours.durability == rival.durability:
        return f"both {ours.durability}"
    return f"wan22 {ours.durability}; it {rival.durability}"


def median_of(rows: list[Row], work: str, rival: str) -> float:
    """Pick one ratio."""
    (row,) = (row for row in rows if (row.work, row.rival) == (work, rival))
    return round(row.pairs.rate_ratio.median, 3)


def rate_table(rows: list[Row]) -> Table:
    """Show how many jobs per second each side does, and how they compare."""
    table = Table(title="wan22 beside others: jobs per second; median (least .. most)")
    for heading in ("work", "beside", "durability", "wan22", "it", "wan22 / it"):
        table.add_column(heading)
    for row in rows:
        mine, other = Spread.of(row.pairs.a), Spread.of(row.pairs.b)
        cells = (numbers(mine), numbers(other), numbers(row.pairs.rate_ratio, 2))
        table.add_row(row.work, row.rival, row.durability, *cells)
    return table


def growth_table(aged: dict[str, Pairs]) -> Table:
    """Show what each kind of work costs with a long history, relative to a short one."""
    table = Table(title="1,000,000 finished jobs relative to 1,000: cost; SQLite, synchronous=FULL")
    for heading in ("work", "cost ratio: median (least .. most)"):
        table.add_column(heading)
    for work, pairs in aged.items():
        table.add_row(work, numbers(pairs.cost_ratio, 2))
    return table


def numbers(spread: Spread, digits: int = 0) -> str:
    """Write a median with its spread."""
    least, most = f"{spread.least:,.{digits}f}", f"{spread.most:,.{digits}f}"
    return f"{spread.median:,.{digits}f} ({least} .. {most})"


def flush_time_us(folder: Path) -> float:
    """Measure what it takes this disk to keep 4 KiB for good, microseconds."""
    with (folder / "flush").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(FLUSHES):
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
        return (time.perf_counter() - began) / FLUSHES * 1e6


def last_line(figures: dict[str, float | None]) -> str:
    """Write the figures for a program to read."""
    return json.dumps(figures)
