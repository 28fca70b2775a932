"""A request that comes twice is one job: by its key, or when a client library repeats it."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from calling import RED, Calling
from jobstore.clock import now_ms
from jobstore.job import Arrival

KEY = {"Idempotency-Key": "one"}
RETRIED = {"x-stainless-retry-count": "1"}


def staged(api: Calling) -> set[str]:
    return {file.name for file in (api.stack.folder / "inputs" / "images").glob("*.png")}


def jobs(api: Calling) -> int:
    return len(api.store.views.page(100))


def test_the_same_key_gives_the_same_job_as_it_is_now(api: Calling) -> None:
    first = api.send(KEY)
    assert "idempotent-replayed" not in first.headers
    api.claim()
    again = api.send({"Idempotency-Key": '"one"'}, preset="quality")
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    job_id = first.json()["job_id"]
    assert again.json() == {"job_id": job_id, "status": "processing", "position": None}
    assert jobs(api) == 1


def test_a_repeated_picture_is_not_kept_twice(api: Calling) -> None:
    """Also where it is said in another way, and where it is refused."""
    before = staged(api)
    first = api.send(KEY, image_base64=RED).json()["job_id"]
    again = api.send(KEY, image_base64=f"data:image/png;base64,{RED}").json()["job_id"]
    assert again == first
    assert api.code(api.send(KEY, image_base64=RED, seed=1)) == (422, "idempotency_key_reused")
    assert staged(api) - before == {f"{first}.png"}


OTHERS: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": "a blue square"},
    "seed": {"seed": 5},
    "picture": {"image_base64": RED},
    "metadata": {"metadata": {"a": "b"}},
    "priority": {"priority": 1},
}


@pytest.mark.parametrize("wanted", OTHERS.values(), ids=OTHERS.keys())
def test_the_same_key_with_other_content_is_refused(api: Calling, wanted: dict[str, Any]) -> None:
    api.send(KEY)
    assert api.code(api.send(KEY, **wanted)) == (422, "idempotency_key_reused")
    assert jobs(api) == 1


def test_other_bytes_of_a_picture_are_other_content(api: Calling) -> None:
    """The same pixels: what is hashed is what was sent."""
    api.send(KEY, image_base64=RED)
    longer = base64.b64encode(base64.b64decode(RED) + b"\0").decode()
    assert api.code(api.send(KEY, image_base64=longer)) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", '""', "a b", "a" * 256, "\x7f", "ü".encode("latin-1")])
def test_a_key_that_is_none_is_refused(api: Calling, key: str) -> None:
    answer = api.send({"Idempotency-Key": key})
    assert api.code(answer) == (400, "idempotency_key_wrong")
    assert jobs(api) == 0


def test_a_key_may_be_as_long_as_they_get(api: Calling) -> None:
    assert api.send({"Idempotency-Key": "k" * 255}).status_code == 202


def test_a_hundred_at_once_with_one_key_are_one_job(api: Calling) -> None:
    before = staged(api)
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: api.send(KEY, image_base64=RED), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (jobs(api), len(staged(api) - before)) == (1, 1)


def test_a_library_that_repeats_itself_gets_its_job_once(api: Calling) -> None:
    first = api.submit()
    again = api.send(RETRIED)
    assert again.json()["job_id"] == first
    assert again.headers["idempotent-replayed"] == "true"
    assert api.send(RETRIED).json()["job_id"] != first


@pytest.mark.parametrize("call", ["/status/{}", "/jobs/{}", "/jobs", "/jobs/{}/events"])
def test_who_has_read_the_id_means_another_job(api: Calling, call: str) -> None:
    """The events are those of a job that has ended: they end by themselves."""
    first = api.submit()
    api.store.jobs.cancel(first, 1)
    assert api.job(first).unread
    assert api.http.get(call.format(first)).status_code == 200
    assert api.send(RETRIED).json()["job_id"] != first


@pytest.mark.parametrize("count", ["0", "", "-1", "one"])
def test_what_is_not_repeated_by_a_library_is_another_job(api: Calling, count: str) -> None:
    first = api.submit()
    assert api.send({"x-stainless-retry-count": count}).json()["job_id"] != first


def test_the_same_sent_again_a_minute_later_is_another_job(api: Calling) -> None:
    """The first job is put into the store as the gateway would have done it a minute ago."""
    sent = api.job(api.submit(seed=7))
    with api.store.database.reading() as connection:
        row = connection.execute("SELECT unread_hash FROM jobs").fetchone()
    api.empty()
    first = Arrival("FIRST", sent.request, "rest", sent.key_id, request_hash=row["unread_hash"])
    api.store.jobs.accept(first, now_ms() - 60_000)
    second = api.submit(seed=7)
    assert {job.job_id for job in api.store.views.page(100)} == {"FIRST", second}
    assert api.send(RETRIED, seed=7).json()["job_id"] == second, "it is the same request"
    assert api.send(RETRIED, seed=7).json()["job_id"] == "FIRST"


def test_other_content_is_another_job(api: Calling) -> None:
    first = api.submit()
    assert api.send(RETRIED, seed=1).json()["job_id"] != first
