"""Whoever follows a job need not ask again and again: answers wait, or tell it event by event.

Nothing here sleeps or is timed: an answer that came in time tells what it could know only by then.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from calling import Calling
from gateway.changes import PLACES
from waiting import Waiting


def status(api: Calling, job_id: str, path: str = "status", **headers: str) -> httpx2.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.http.get(f"/{path}/{job_id}", headers=names)


def test_a_tag_stays_while_the_job_does_and_changes_with_it(api: Calling) -> None:
    job_id = api.submit()
    first = status(api, job_id)
    etag = first.headers["etag"]
    same = status(api, job_id, "jobs", if_none_match=f'"x", {etag}')
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    api.claim()
    moved = status(api, job_id, if_none_match=etag)
    assert (moved.status_code, moved.json()["status"]) == (200, "processing")
    assert moved.headers["etag"] != etag


def test_a_link_that_is_signed_anew_is_no_change(api: Calling) -> None:
    job_id = api.submit()
    api.complete(job_id)
    etag = status(api, job_id).headers["etag"]
    assert status(api, job_id, if_none_match=etag).status_code == 304


def test_both_calls_tell_the_same(api: Calling) -> None:
    job_id = api.submit()
    assert status(api, job_id).json() == status(api, job_id, "jobs").json()


def test_an_answer_that_waits_comes_with_the_end(api: Calling) -> None:
    job_id = api.submit()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(status, api, job_id, prefer="wait=60")
        job = api.claim()
        for step in range(5):
            api.advance(job, step)
        api.finish(job)
        api.deliver()
        answer = waiting.result()
    assert answer.json()["status"] == "completed"
    assert answer.headers["preference-applied"] == "wait=60"


def test_with_a_tag_an_answer_that_waits_comes_with_the_next_change(api: Calling) -> None:
    job_id = api.submit()
    etag = status(api, job_id).headers["etag"]
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(status, api, job_id, prefer="wait=60", if_none_match=etag)
        api.http.post(f"/jobs/{job_id}/cancel")
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize(("known", "code"), [(False, 200), (True, 304)])
def test_when_nothing_happens_the_answer_says_so(api: Calling, *, known: bool, code: int) -> None:
    job_id = api.submit()
    headers = {"if_none_match": status(api, job_id).headers["etag"]} if known else {}
    answer = status(api, job_id, prefer="respond-async, wait=1", **headers)
    assert (answer.status_code, answer.headers["preference-applied"]) == (code, "wait=1")


@pytest.mark.parametrize("known", [False, True])
def test_what_has_ended_is_told_at_once(api: Calling, *, known: bool) -> None:
    job_id = api.submit()
    api.http.post(f"/jobs/{job_id}/cancel")
    headers = {"if_none_match": status(api, job_id).headers["etag"]} if known else {}
    answer = status(api, job_id, prefer="wait=600", **headers)
    assert answer.headers["preference-applied"] == "wait=60", "it never waits longer"
    assert answer.status_code == (304 if known else 200)


@pytest.mark.parametrize(
    "prefer", ["", "wait", "wait=soon", "wait=-1", "await=5", "handling=lenient"]
)
def test_a_preference_that_is_none_is_left_alone(api: Calling, prefer: str) -> None:
    answer = status(api, api.submit(), prefer=prefer)
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


class Events:
    """The events of a job, one after the other."""

    def __init__(self, response: httpx2.Response) -> None:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        self._lines: Iterator[str] = response.iter_lines()
        assert next(self._lines) == "retry: 2000"

    def next(self) -> tuple[str | None, str, Any]:
        """Read the next event: its id, name and data."""
        found: dict[str, str] = {}
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field:
                found[field] = value
            elif "event" in found:
                break
        return found.get("id"), found["event"], json.loads(found["data"])

    def until(self, name: str) -> tuple[str | None, Any]:
        while True:
            number, event, data = self.next()
            if event == name:
                return number, data

    def rest(self) -> list[str]:
        return [line for line in self._lines if line and not line.startswith(":")]


def test_events_tell_a_job_from_its_beginning_to_its_end(api: Calling) -> None:
    job_id = api.submit()
    with api.http.stream("GET", f"/jobs/{job_id}/events") as response:
        events = Events(response)
        number, event, data = events.next()
        assert (number, event, data["status"]) == ("1", "state", "queued")
        _, event, data = events.next()
        assert (event, data["position"]) == ("progress", 1)
        job = api.claim()
        number, data = events.until("state")
        assert (number, data["status"]) == ("2", "processing")
        api.advance(job, 7)
        while data.get("step") != 7:
            _, data = events.until("progress")
        api.finish(job)
        assert events.until("state")[0] == "3"
        api.deliver()
        number, data = events.until("ended")
        assert (number, data["status"]) == ("4", "completed")
        assert data["video_url"].startswith("http")
        assert events.rest() == []


def test_who_comes_back_is_told_what_he_missed(api: Calling) -> None:
    job_id = api.submit()
    api.finish(api.claim())
    with api.http.stream(
        "GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": "1"}
    ) as response:
        events = Events(response)
        assert events.next()[:2] == ("2", "state")
        assert events.next()[:2] == ("3", "state")
        _, event, data = events.next()
        assert (event, data["phase"]) == ("progress", "uploading")


@pytest.mark.parametrize(("last", "code"), [("2", 204), ("1", 200), ("", 200), ("what", 200)])
def test_who_has_heard_the_end_is_sent_away(api: Calling, last: str, code: int) -> None:
    """A browser comes back by itself, unless it is told that there is nothing more."""
    job_id = api.submit()
    api.http.post(f"/jobs/{job_id}/cancel")
    answer = api.http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == code
    assert ("event: ended" in answer.text) is (code == 200)


def test_a_job_that_is_deleted_ends_its_events(api: Calling) -> None:
    """Here by a person with the database; by HTTP only what has ended can be."""
    job_id = api.submit()
    with api.http.stream("GET", f"/jobs/{job_id}/events") as response:
        events = Events(response)
        events.until("progress")
        api.empty()
        api.submit()  # so that somebody looks
        assert events.rest() == []


def test_more_streams_than_places_are_refused_and_the_places_come_back(api: Calling) -> None:
    job_id = api.submit()
    streams = [Waiting(api, f"/jobs/{job_id}/events", {}) for _ in range(PLACES)]
    for stream in streams:
        stream.until(b"event: progress")
    full = api.http.get(f"/jobs/{job_id}/events")
    assert api.code(full) == (503, "streams_full")
    assert status(api, job_id).status_code == 200, "other answers are not held up"
    now = status(api, job_id, prefer="wait=60")
    assert "preference-applied" not in now.headers, "there is no place to wait at"
    api.http.post(f"/jobs/{job_id}/cancel")
    for stream in streams:
        assert "event: ended" in stream.rest()
    assert api.http.get(f"/jobs/{job_id}/events").status_code == 200
