"""A holder sleeps past its lease at any of its steps and wakes up again: it writes nothing."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fault_sweep import LIFE, ROOT, STORE, check
from jobstore.store import Store
from local.running import Running

Start = Callable[..., Running]
RUNS_MAX = 8
HOLDING = ("claim.committed", "deliver.claimed")  # between two transactions, with a claim in hand


@pytest.fixture
def start(empty_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start the life of the jobs, to be put to sleep at a step if asked."""
    started = []

    def begin(number: int, stopped_at: str = "") -> Running:
        command = [sys.executable, str(LIFE), empty_url, str(tmp_path / "wake"), str(number)]
        env = {"FAILPOINT": f"stop:{stopped_at}", "PYTHONPATH": str(ROOT)}
        running = Running(
            [*command, str(tmp_path / "acknowledged")], tmp_path / f"run{number}.log", env
        )
        started.append(running)
        return running

    yield begin
    for running in started:
        running.end(signal.SIGKILL)


def sleeps(running: Running) -> bool:
    return Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def all_rows(url: str, folder: Path) -> str:
    """Write down everything the store holds."""
    store = Store.open(url, folder / "wake")
    with store.database.reading() as connection:
        rows = [
            tuple(dict(row).items())
            for table in ("jobs", "outbox", "job_events", "hosts")
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        ]
    store.close()
    return repr(rows)


@pytest.mark.parametrize("place", HOLDING)
def test_a_stale_holder_writes_nothing(
    start: Start, empty_url: str, tmp_path: Path, place: str
) -> None:
    """An hour passes, another process takes its job and ends it; then it goes on."""
    sleeper = start(1, place)
    sleeper.wait_until(lambda: sleeps(sleeper))
    assert start(2).wait_for_end() == 0
    before = all_rows(empty_url, tmp_path)
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.wait_for_end() == 1
    assert "LeaseLost" in sleeper.tail()
    assert all_rows(empty_url, tmp_path) == before
    check(empty_url, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("place", STORE)
def test_a_sleep_at_any_step_loses_nothing(
    start: Start, empty_url: str, tmp_path: Path, place: str
) -> None:
    """Inside a transaction the sleeper holds others up; they say so, and go on once it is over."""
    sleeper = start(1, place)
    sleeper.wait_until(lambda: sleeps(sleeper))
    other = start(2)
    assert other.wait_for_end() == 0 or "StoreUnavailable" in other.tail()
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait_for_end()
    number = 3
    while (again := start(number)).wait_for_end() != 0:
        number += 1
        assert number < RUNS_MAX, again.tail()
    check(empty_url, tmp_path)
