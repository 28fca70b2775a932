"""Many processes at one store: each job exactly once, and nobody hears of a busy database."""

import multiprocessing
import threading
from collections import Counter
from pathlib import Path

from contract_shop import LEASE_MS, VIDEO, Ask, Shop
from jobstore.job import Arrival
from jobstore.store import Store

PROCESSES = 16


def claim_all(url: str, wake: Path, name: str, results: "multiprocessing.Queue[list[str]]") -> None:
    """Claim and finish until nothing is left; runs in a process of its own."""
    store = Store.open(url, wake)
    claimed = []
    while job := store.jobs.claim(name, "H", LEASE_MS, 2000):
        store.jobs.finish(job, "H", VIDEO, None, 3000)
        claimed.append(job.job_id)
    store.close()
    results.put(claimed)


def test_sixteen_processes_claim_each_job_once(
    shop: Shop, url: str, tmp_path: Path, ask: Ask, many: int
) -> None:
    request = ask()
    for number in range(many):
        shop.store.jobs.accept(Arrival(f"J{number}", request, "test", "main"), 1000)
    spawned = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = spawned.Queue()
    claimers = [
        spawned.Process(target=claim_all, args=(url, tmp_path / "wake", f"P{number}", results))
        for number in range(PROCESSES)
    ]
    for claimer in claimers:
        claimer.start()
    claimed = [results.get(timeout=300) for _ in claimers]
    for claimer in claimers:
        claimer.join()
    counted = Counter(job_id for jobs in claimed for job_id in jobs)
    assert len(counted) == many
    assert set(counted.values()) == {1}
    assert [claimer.exitcode for claimer in claimers] == [0] * PROCESSES


def test_a_commit_wakes_whoever_watches_its_topic(shop: Shop) -> None:
    stop, jobs, outbox = threading.Event(), threading.Event(), threading.Event()
    database = shop.store.database
    database.watch("jobs", jobs.set, stop)
    database.watch("outbox", outbox.set, stop)
    listening = threading.Event()
    # A watcher is ready once it has heard something; what came before is found by the poll.
    for attempt in range(200):
        shop.accept(f"warm{attempt}")
        if jobs.wait(0.05):
            listening.set()
            break
    assert listening.is_set()
    jobs.clear()
    shop.accept("J1")
    assert jobs.wait(5)
    while not shop.idle():
        pass
    outbox.clear()
    shop.accept("J2")
    shop.finish(shop.claim())
    assert outbox.wait(5)
    stop.set()
