"""Whoever follows a job that is begun again and again misses nothing, and sees no step back."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from calling import Calling
from jobstore.clock import now_ms
from waiting import Heard, Waiting

ROUNDS = 12  # claims of the job, all but the last given back unfinished
STEPS = 4
FEW = 3  # breaks, at least, however fast the job is led
LARGEST = 3000  # bytes of a stream until it breaks: less than one event, or several


def live(api: Calling, job_id: str) -> None:
    """Lead a job to its end; each claim begins at its first step, and gets further."""
    for number in range(1, ROUNDS + 1):
        job = api.claim()
        for step in range(number * STEPS):
            api.advance(job, step)
        if number < ROUNDS:
            api.store.jobs.release(job, now_ms())
    api.finish(job)
    api.deliver()
    assert job.job_id == job_id


def follow_with_breaks(api: Calling, job_id: str, dice: random.Random) -> tuple[list[Heard], int]:
    """Listen until the end; each time the stream breaks, come back as a browser does."""
    heard: list[Heard] = []
    last = breaks = 0
    while not heard or heard[-1].name != "ended":
        stream = Waiting(api, f"/jobs/{job_id}/events", {"Last-Event-ID": str(last)})
        stream.some(dice.randint(1, LARGEST))
        heard += stream.events()
        last = max([last, *(event.number for event in heard)])
        breaks += 1
    return heard, breaks


def poll(api: Calling, job_id: str, begun: threading.Event) -> list[int]:
    """Ask for the status until the end; answers the progress each time."""
    seen = []
    while True:
        body = api.http.get(f"/status/{job_id}").json()
        seen.append(body["progress"])
        begun.set()
        if body["status"] == "completed":
            return seen


def test_a_stream_that_breaks_again_and_again_misses_no_event(api: Calling) -> None:
    job_id = api.submit()
    with ThreadPoolExecutor(1) as other:
        living = other.submit(live, api, job_id)
        heard, breaks = follow_with_breaks(api, job_id, random.Random(7))
        living.result()
    numbers = [event.number for event in heard if event.number]
    history = api.store.views.history(job_id)
    assert len(history) == 2 * ROUNDS + 2
    assert numbers == list(range(1, len(history) + 1)), "each change once, in order"
    assert breaks > FEW, "it did break"


def test_progress_never_goes_back_and_ends_at_a_hundred(api: Calling) -> None:
    """As a poller sees it, and as the events tell it."""
    job_id = api.submit()
    stream, begun = Waiting(api, f"/jobs/{job_id}/events", {}), threading.Event()
    with ThreadPoolExecutor(2) as others:
        polling = others.submit(poll, api, job_id, begun)
        assert begun.wait(20)
        others.submit(live, api, job_id).result()
        stream.rest()
    told = [event.data["progress"] for event in stream.events() if event.name != "state"]
    for seen in (told, polling.result()):
        assert all(earlier <= later for earlier, later in pairwise(seen))
        assert seen[0] < seen[-1] == 100
