"""Many who wait hold up nobody."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx2

from calling import Calling
from waiting import Waiting

SUBMITS = 30
FAST_S = 1.0  # on a machine that does other things as well


def submit_s(api: Calling) -> float:
    began = time.monotonic()
    api.submit()
    return time.monotonic() - began


def figures(took_s: list[float]) -> str:
    return f"{statistics.median(took_s) * 1000:.0f} ms (the slowest {max(took_s) * 1000:.0f} ms)"


def ask_again_and_again(api: Calling, job_id: str, etag: str, enough: Event) -> set[int]:
    """Poll as those do who do not wait; answers the status codes."""
    with httpx2.Client(base_url=api.stack.url, headers=api.http.headers, timeout=60) as http:
        codes = set()
        while not enough.is_set():
            codes.add(http.get(f"/status/{job_id}", headers={"If-None-Match": etag}).status_code)
        return codes


def crowd(api: Calling, job_id: str, etag: str) -> tuple[list[Waiting], list[Waiting]]:
    """Let 200 wait for a job: by its events, for its end, and for any change of it."""
    streams = [Waiting(api, f"/jobs/{job_id}/events", {}) for _ in range(80)]
    for stream in streams:
        stream.until(b"event: progress")
    ends = [Waiting(api, f"/status/{job_id}", {"Prefer": "wait=60"}) for _ in range(60)]
    known = {"Prefer": "wait=60", "If-None-Match": etag}
    return streams, [*ends, *(Waiting(api, f"/jobs/{job_id}", known) for _ in range(60))]


def test_among_two_hundred_who_wait_a_submit_stays_fast(api: Calling) -> None:
    """Each submit wakes all of them, who find that nothing has changed for them."""
    job_id = api.submit()
    etag = api.http.get(f"/status/{job_id}").headers["etag"]
    alone_s = [submit_s(api) for _ in range(SUBMITS)]
    streams, polls = crowd(api, job_id, etag)
    enough = Event()
    with ThreadPoolExecutor(1) as other:
        polling = other.submit(ask_again_and_again, api, job_id, etag, enough)
        crowded_s = [submit_s(api) for _ in range(SUBMITS)]
        enough.set()
        assert polling.result() == {304}
    print(f"figure: submit alone {figures(alone_s)}, among 200 who wait {figures(crowded_s)}")
    assert statistics.median(crowded_s) < FAST_S
    assert all(waiting.quiet for waiting in [*streams, *polls]), "they still wait"
    api.http.post(f"/jobs/{job_id}/cancel")
    for stream in streams:
        assert "event: ended" in stream.rest()
    for poll in polls:
        answer = poll.rest()
        assert "preference-applied: wait=60" in answer, "it had a place to wait at"
        assert '"status":"cancelled"' in answer
