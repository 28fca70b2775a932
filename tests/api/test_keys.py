"""Jobs belong to their key: nobody sees, stops or deletes those of another, but for the owner.

Each key has its limits, and whoever has none is slowed down.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from calling import PROMPT, Calling
from gateway.brake import HELD_MOST
from gateway.calls import CALLS
from jobstore.clock import now_ms
from jobstore.keys import hashed
from local.postgres import PostgresServer
from local.stack import Stack

As = Callable[[str], httpx2.Client]
ABOUT_A_JOB = [call for call in CALLS if "{job_id" in call.path]


@pytest.fixture
def as_(api: Calling) -> Iterator[As]:
    """Call with a new key of a name, as the clients of OpenAI send it."""
    clients = []

    def make(name: str) -> httpx2.Client:
        bearer = f"Bearer {api.store.keys.make(name, now_ms())}"
        headers = {"Authorization": bearer}
        clients.append(httpx2.Client(base_url=api.stack.url, headers=headers, timeout=20))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def submit(client: httpx2.Client, **wanted: Any) -> httpx2.Response:
    return client.post("/generate", json={"prompt": PROMPT} | wanted)


def job_of(client: httpx2.Client) -> str:
    return str(submit(client).json()["job_id"])


@pytest.mark.parametrize("call", ABOUT_A_JOB, ids=[call.name for call in ABOUT_A_JOB])
def test_the_job_of_another_key_is_none(api: Calling, as_: As, call: Any) -> None:
    """Not a different answer from that about a job that never was."""
    job_id = job_of(as_("alice"))
    bob = as_("bob")

    def asked(job_id: str) -> tuple[int, Any]:
        path = call.path.replace("{job_id:job}", job_id)
        json = {"prompt": PROMPT} if call.body else None
        answer = bob.request(call.method, path, json=json)
        body = answer.json()
        return answer.status_code, body["code"] + body["detail"]

    assert asked(job_id) == asked("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert asked(job_id)[0] == 404
    assert api.job(job_id).cancel_requested is False
    assert api.job(job_id).deleted_at is None


def test_each_key_lists_its_own_and_the_owner_all(api: Calling, as_: As) -> None:
    alice, bob = as_("alice"), as_("bob")
    hers, his, ours = job_of(alice), job_of(bob), api.submit()

    def listed(client: httpx2.Client, path: str, name: str) -> list[str]:
        return [job[name] for job in client.get(path).json()["data"]]

    for path, name in (
        ("/jobs", "job_id"),
        ("/v1/videos", "id"),
        ("/jobs?status=queued", "job_id"),
    ):
        assert listed(alice, path, name) == [hers]
        assert listed(bob, path, name) == [his]
        assert listed(api.http, path, name) == [ours, his, hers]
    assert alice.get("/jobs", params={"after": his}).status_code == 404


def test_two_keys_may_use_the_same_idempotency_key(as_: As) -> None:
    headers = {"Idempotency-Key": "one"}
    body = {"prompt": PROMPT}
    ids = [
        as_(name).post("/generate", json=body, headers=headers).json()["job_id"]
        for name in ("alice", "bob", "alice")
    ]
    assert ids[0] == ids[2] != ids[1]


def test_a_list_read_by_the_owner_does_not_make_a_second_job(api: Calling, as_: As) -> None:
    """Whose answer was lost is still given his job when his client asks again."""
    alice = as_("alice")
    job_id = job_of(alice)
    api.http.get("/jobs")
    retried = {"x-stainless-retry-count": "1"}
    again = alice.post("/generate", json={"prompt": PROMPT}, headers=retried)
    assert again.json()["job_id"] == job_id


def test_a_key_that_is_revoked_is_refused_at_once(api: Calling, as_: As) -> None:
    alice = as_("alice")
    assert submit(alice).status_code == 202
    api.store.keys.revoke("alice", now_ms())
    assert api.code(submit(alice)) == (401, "key_wrong")


def test_no_key_is_kept_but_as_its_hash(api: Calling) -> None:
    secret = api.store.keys.make("alice", now_ms())
    if api.stack.env["DATABASE_URL"].startswith("sqlite"):
        kept = b"".join(file.read_bytes() for file in api.stack.folder.glob("jobs.db*"))
        assert hashed(secret).encode() in kept
        assert secret.encode() not in kept
    assert secret not in repr(api.store.keys.all())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def narrow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Calling]:
    """A gateway with little room."""
    folder = tmp_path_factory.mktemp("narrow")
    url = f"sqlite:///{folder / 'jobs.db'}"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.make()
    limits = {"QUEUED_MOST": "4", "KEY_QUEUED_MOST": "2", "KEY_RUNNING_MOST": "1"}
    with Stack(folder, env={"POLL_S": "600", "DATABASE_URL": url, **limits}) as stack:
        stack.up("gateway")
        calling = Calling(stack, url)
        yield calling
        calling.close()


def test_what_is_too_much_is_told_so_and_when_to_come_again(narrow: Calling) -> None:
    narrow.empty()

    def send(key: str) -> httpx2.Response:
        headers = {"X-API-Key": key}
        return narrow.http.post("/generate", json={"prompt": PROMPT}, headers=headers)

    alice, bob = (narrow.store.keys.make(name, now_ms()) for name in ("alice", "bob"))
    assert [send(alice).status_code for _ in range(2)] == [202, 202]
    full = send(alice)
    assert narrow.code(full) == (429, "key_queue_full")
    assert (full.headers["retry-after"], full.headers["x-should-retry"]) == ("30", "true")
    narrow.claim()
    assert narrow.code(send(alice)) == (429, "key_busy")
    assert [send(bob).status_code for _ in range(2)] == [202, 202]
    assert narrow.send().status_code == 202
    assert narrow.code(narrow.send()) == (429, "queue_full")


def test_guessing_keys_is_slow_also_with_many_connections(tmp_path: Path) -> None:
    """Answers are held back, and beyond twenty of them not even the right key is looked at."""
    with Stack(tmp_path, env={"POLL_S": "600", "KEY_TRIES": "3"}) as stack:
        stack.up("gateway")

        def code(key: str) -> str | None:
            headers = {"X-API-Key": key}
            answer = httpx2.get(f"{stack.url}/jobs", headers=headers, timeout=30)
            code: str | None = answer.json().get("code")
            assert code != "key_tried" or answer.headers["retry-after"] == "5"
            return code

        assert [code(f"{number}") for number in range(3)] == ["key_wrong"] * 3
        assert code(stack.key) is None
        with ThreadPoolExecutor(60) as guessers:
            codes = list(guessers.map(code, (f"guess {number}" for number in range(60))))
        assert Counter(codes).keys() == {"key_wrong", "key_tried"}
        assert Counter(codes)["key_wrong"] >= HELD_MOST
        assert code(stack.key) is None
