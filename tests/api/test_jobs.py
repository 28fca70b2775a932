"""Jobs are listed page by page, cancelled, retried and deleted; each wish may be said twice."""

from typing import Any

import pytest

from calling import RED, Calling
from jobstore.job import Kind


def listed(api: Calling, **query: Any) -> Any:
    answer = api.http.get("/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page: Any) -> list[str]:
    return [job["job_id"] for job in page["data"]]


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_have_every_job_once_and_say_when_they_end(api: Calling, order: str) -> None:
    jobs = [api.submit() for _ in range(5)]
    expected = jobs if order == "asc" else jobs[::-1]
    first = listed(api, limit=2, order=order)
    assert (ids(first), first["has_more"]) == (expected[:2], True)
    assert (first["first_id"], first["last_id"]) == (expected[0], expected[1])
    second = listed(api, limit=2, order=order, after=first["last_id"])
    third = listed(api, limit=2, order=order, after=second["last_id"])
    assert (ids(second), ids(third), third["has_more"]) == (expected[2:4], expected[4:], False)


def test_a_list_is_exact_at_its_end_and_may_be_empty(api: Calling) -> None:
    nothing = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert listed(api) == nothing
    jobs = [api.submit() for _ in range(2)]
    assert not listed(api, limit=2)["has_more"]
    assert listed(api, limit=2, after=jobs[0]) == nothing


def test_a_list_can_be_of_one_status(api: Calling) -> None:
    done, rendered, running, queued, cancelled = (api.submit() for _ in range(5))
    api.complete(done)
    api.finish(api.claim())
    api.claim()
    api.http.post(f"/jobs/{cancelled}/cancel")
    expected = {
        "queued": [queued],
        "processing": [running, rendered],
        "completed": [done],
        "failed": [],
        "cancelled": [cancelled],
    }
    assert {status: ids(listed(api, status=status)) for status in expected} == expected
    assert {job["status"] for job in listed(api, status="processing")["data"]} == {"processing"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "field_wrong"),
        ({"limit": "101"}, "field_wrong"),
        ({"limit": "many"}, "field_wrong"),
        ({"order": "up"}, "field_wrong"),
        ({"status": "rendered"}, "field_wrong"),
        ({"after": "a\0b"}, "field_wrong"),
        ({"page": "2"}, "field_unknown"),
        ({"page": "2", "limit": "0"}, "request_invalid"),
    ],
)
def test_a_query_that_is_wrong_is_told_so(api: Calling, query: dict[str, str], code: str) -> None:
    assert api.code(api.http.get("/jobs", params=query)) == (422, code)


def test_a_queued_job_is_cancelled_at_once_and_stays_so(api: Calling) -> None:
    job_id = api.submit()
    for _ in range(2):
        answer = api.http.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_a_running_job_is_asked_to_stop(api: Calling) -> None:
    job_id = api.submit()
    job = api.claim()
    for _ in range(2):
        answer = api.http.post(f"/jobs/{job_id}/cancel")
        told = (answer.status_code, answer.json()["status"], answer.json()["cancel_requested"])
        assert told == (202, "processing", True)
    api.store.jobs.stop(job, 10**12)
    assert api.http.post(f"/jobs/{job_id}/cancel").status_code == 200


def test_what_is_rendered_is_too_late_to_cancel(api: Calling) -> None:
    job_id = api.submit()
    api.finish(api.claim())
    assert api.code(api.http.post(f"/jobs/{job_id}/cancel")) == (409, "cancel_too_late")
    api.deliver()
    assert api.code(api.http.post(f"/jobs/{job_id}/cancel")) == (409, "cancel_too_late")
    assert api.job(job_id).state == "completed"


def test_a_retry_asks_for_the_same_once_at_a_time(api: Calling) -> None:
    job_id = api.submit(seed=5, metadata={"who": "me"}, priority=3)
    api.complete(job_id)
    first = api.http.post(f"/jobs/{job_id}/retry")
    assert first.status_code == 202
    again = api.http.get(first.headers["location"]).json()
    assert again["job_id"] == first.json()["job_id"] != job_id
    told = {name: again[name] for name in ("retry_of", "seed", "metadata", "priority", "status")}
    assert told == {
        "retry_of": job_id,
        "seed": 5,
        "metadata": {"who": "me"},
        "priority": 3,
        "status": "queued",
    }
    second = api.http.post(f"/jobs/{job_id}/retry")
    assert second.json()["job_id"] == first.json()["job_id"]
    assert second.headers["idempotent-replayed"] == "true"


def test_a_retry_needs_an_end_and_its_picture(api: Calling) -> None:
    job_id = api.submit(image_base64=RED)
    assert api.code(api.http.post(f"/jobs/{job_id}/retry")) == (409, "job_unfinished")
    api.http.post(f"/jobs/{job_id}/cancel")
    (api.stack.folder / "inputs" / "images" / f"{job_id}.png").unlink()
    assert api.code(api.http.post(f"/jobs/{job_id}/retry")) == (409, "image_lost")


def test_a_deleted_job_is_gone_for_everybody(api: Calling) -> None:
    job_id = api.submit()
    assert api.code(api.http.delete(f"/jobs/{job_id}")) == (409, "job_unfinished")
    api.complete(job_id)
    for _ in range(2):
        answer = api.http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()) == (200, {"job_id": job_id, "deleted": True})
    assert listed(api)["data"] == []
    for method, path in [
        ("GET", f"/status/{job_id}"),
        ("GET", f"/jobs/{job_id}"),
        ("GET", f"/jobs/{job_id}/video"),
        ("GET", f"/jobs/{job_id}/events"),
        ("POST", f"/jobs/{job_id}/cancel"),
        ("POST", f"/jobs/{job_id}/retry"),
    ]:
        assert api.code(api.http.request(method, path)) == (410, "job_deleted"), path
    removal = api.store.outbox.claim("D", "H", 60_000, 10**15, Kind.REMOVAL)
    assert removal
    assert (removal.kind, removal.job_id) == ("removal", job_id)


@pytest.mark.parametrize("job_id", ["%00", "a%00b", "é", "a%20b", "..", "a" * 41])
@pytest.mark.parametrize("call", ["status/{}", "jobs/{}", "jobs/{}/events", "jobs/{}/video"])
def test_what_is_no_id_is_nothing(api: Calling, call: str, job_id: str) -> None:
    """A database may not even be asked for some of these."""
    answer = api.http.get(f"/{call.format(job_id)}")
    assert api.code(answer)[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/events"),
        ("GET", "/video"),
    ],
)
def test_an_unknown_job_is_unknown_to_every_call(api: Calling, method: str, path: str) -> None:
    assert api.code(api.http.request(method, f"/jobs/nobody{path}")) == (404, "job_unknown")
