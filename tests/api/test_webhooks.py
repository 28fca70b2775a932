"""Who wants to be told of an end says where; how that goes is shown, and repeated on demand."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from calling import PROMPT, Calling
from jobstore.clock import now_ms
from jobstore.job import Delivery, Kind

HOOK = "https://hooks.example/told?token=t"
As = Callable[[str], httpx2.Client]


@pytest.fixture
def as_(api: Calling) -> Iterator[As]:
    """Call with a new key of a name."""
    clients = []

    def make(name: str) -> httpx2.Client:
        headers = {"X-API-Key": api.store.keys.make(name, now_ms())}
        clients.append(httpx2.Client(base_url=api.stack.url, headers=headers, timeout=20))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def take(api: Calling) -> Delivery:
    delivery = api.store.outbox.claim("D", "any", 60_000, 10**15, Kind.WEBHOOK)
    assert delivery
    return delivery


def webhook(api: Calling, job_id: str) -> Any:
    return api.http.get(f"/status/{job_id}").json()["webhook"]


def ended(api: Calling, client: httpx2.Client | None = None) -> str:
    """End a job whose end is to be told."""
    body = {"prompt": PROMPT, "webhook_url": HOOK}
    job_id = str((client or api.http).post("/generate", json=body).json()["job_id"])
    assert api.http.post(f"/jobs/{job_id}/cancel").status_code == 200
    return job_id


def dead(api: Calling, client: httpx2.Client | None = None) -> str:
    job_id = ended(api, client)
    api.store.outbox.give_up(take(api), "The receiver answered 500.")
    return job_id


def listed(client: httpx2.Client, **query: Any) -> Any:
    answer = client.get("/webhooks", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page: Any) -> list[str]:
    return [each["job_id"] for each in page["data"]]


def test_a_status_tells_how_the_telling_goes(api: Calling) -> None:
    job_id = api.submit(webhook_url=HOOK)
    facts = {"state": "waiting", "attempts": 0, "error": None, "next_at": None}
    assert webhook(api, job_id) == facts
    api.http.post(f"/jobs/{job_id}/cancel")
    assert webhook(api, job_id) == facts | {"state": "owed"}
    delivery = take(api)
    assert webhook(api, job_id) == facts | {"state": "delivering", "attempts": 1}
    api.store.outbox.postpone(delivery, 1_800_000_000_000, "The receiver answered 500.")
    assert webhook(api, job_id) == {
        "state": "owed",
        "attempts": 1,
        "error": "The receiver answered 500.",
        "next_at": "2027-01-15T08:00:00.000Z",
    }
    api.store.outbox.tell(take(api), now_ms())
    assert webhook(api, job_id) == facts | {"state": "delivered", "attempts": 2}


def test_a_job_without_one_says_so(api: Calling) -> None:
    job_id = api.submit()
    assert webhook(api, job_id) is None
    api.http.post(f"/jobs/{job_id}/cancel")
    assert webhook(api, job_id) is None
    assert api.code(api.http.post(f"/jobs/{job_id}/webhook")) == (409, "webhook_missing")


def test_its_etag_changes_with_the_webhook(api: Calling) -> None:
    job_id = ended(api)
    etag = api.http.get(f"/status/{job_id}").headers["etag"]
    api.store.outbox.tell(take(api), now_ms())
    assert api.http.get(f"/status/{job_id}").headers["etag"] != etag


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "http://10.0.0.1/", "https://10.0.0.1/", "https://127.0.0.1/"),
        *("https://[::1]/", "https://169.254.169.254/", "https://hooks.example:8443/"),
        *("ftp://hooks.example/", "hooks.example", "https://user:secret@hooks.example/", ""),
        *("https://hooks.example/\\", "https://hooks.example/" + "a" * 2048),
    ],
)
@pytest.mark.parametrize("call", ["/generate", "/v1/videos"])
def test_where_no_webhook_goes_is_refused(api: Calling, call: str, url: str) -> None:
    answer = api.http.post(call, json={"prompt": PROMPT, "webhook_url": url})
    assert api.code(answer) == (422, "webhook_refused")
    assert "secret" not in answer.text
    assert api.store.views.page(1) == []


def test_all_faults_are_told_at_once(api: Calling) -> None:
    answer = api.send(webhook_url="http://hooks.example/", seed=-1)
    assert api.code(answer) == (422, "request_invalid")
    told = {fault["field"]: fault["code"] for fault in answer.json()["errors"]}
    assert told == {"webhook_url": "webhook_refused", "seed": "field_wrong"}


def test_a_network_of_ones_own_is_taken_if_it_is_allowed(api: Calling) -> None:
    for scheme in ("http", "https"):
        assert api.submit(webhook_url=f"{scheme}://10.1.2.3:8080/hook")


def test_the_same_request_told_elsewhere_is_another(api: Calling) -> None:
    headers = {"Idempotency-Key": "K"}
    first = api.send(headers, webhook_url=HOOK)
    assert api.send(headers, webhook_url=HOOK).json()["job_id"] == first.json()["job_id"]
    assert api.code(api.send(headers, webhook_url=f"{HOOK}2"))[1] == "idempotency_key_reused"


def test_a_retry_and_a_remix_are_told_where_the_first_was(api: Calling, as_: As) -> None:
    """But not if another key remixes: its jobs are none of theirs."""
    job_id = ended(api, as_("alice"))
    retry = api.http.post(f"/jobs/{job_id}/retry").json()["job_id"]
    assert api.job(retry).webhook_url == HOOK
    remix = api.http.post(f"/v1/videos/{job_id}/remix", json={"prompt": PROMPT}).json()["id"]
    assert api.job(remix).webhook_url is None
    own = ended(api)
    remix = api.http.post(f"/v1/videos/{own}/remix", json={"prompt": PROMPT}).json()["id"]
    assert api.job(remix).webhook_url == HOOK


def test_the_dead_are_listed_page_by_page(api: Calling) -> None:
    nothing = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert listed(api.http) == nothing
    one, two, three = (dead(api) for _ in range(3))
    owed = ended(api)
    first = listed(api.http, limit=2)
    assert (ids(first), first["has_more"]) == ([three, two], True)
    assert (first["first_id"], first["last_id"]) == (three, two)
    assert first["data"][0] == {
        "job_id": three,
        "state": "dead",
        "attempts": 1,
        "error": "The receiver answered 500.",
        "next_at": None,
    }
    second = listed(api.http, state="dead", limit=2, after=first["last_id"])
    assert (ids(second), second["has_more"]) == ([one], False)
    assert ids(listed(api.http, state="owed")) == [owed]
    assert HOOK not in str([first, second]), "it may have a secret in it"


def test_each_key_sees_its_own_and_the_owner_all(api: Calling, as_: As) -> None:
    alice, bob = as_("alice"), as_("bob")
    hers, ours = dead(api, alice), dead(api)
    assert ids(listed(alice)) == [hers]
    assert ids(listed(bob)) == []
    assert ids(listed(api.http)) == [ours, hers]
    assert api.code(bob.get("/webhooks", params={"after": hers})) == (404, "job_unknown")
    assert api.code(bob.post(f"/jobs/{hers}/webhook")) == (404, "job_unknown")


@pytest.mark.parametrize("close", ["dead", "delivered", "postponed"])
def test_it_is_sent_once_more_on_demand(api: Calling, close: str) -> None:
    job_id = ended(api)
    delivery = take(api)
    if close == "dead":
        api.store.outbox.give_up(delivery, "The receiver answered 500.")
    elif close == "delivered":
        api.store.outbox.tell(delivery, now_ms())
    else:
        api.store.outbox.postpone(delivery, 10**15, "The receiver answered 500.")
    answer = api.http.post(f"/jobs/{job_id}/webhook")
    assert answer.status_code == 202
    fresh = {"state": "owed", "attempts": 0, "error": None, "next_at": None}
    assert answer.json()["webhook"] == fresh
    assert listed(api.http)["data"] == []
    again = api.store.outbox.claim("D", "any", 60_000, now_ms(), Kind.WEBHOOK)
    assert again
    assert (again.key, again.attempt) == (delivery.key, 1)
    assert api.http.post(f"/jobs/{job_id}/webhook").json()["webhook"]["state"] == "delivering"


def test_one_that_has_not_ended_has_nothing_to_send(api: Calling) -> None:
    job_id = api.submit(webhook_url=HOOK)
    assert api.code(api.http.post(f"/jobs/{job_id}/webhook")) == (409, "job_unfinished")


def test_what_is_deleted_is_listed_and_sent_no_more(api: Calling) -> None:
    job_id = dead(api)
    api.http.delete(f"/jobs/{job_id}")
    assert listed(api.http)["data"] == []
    assert api.code(api.http.post(f"/jobs/{job_id}/webhook")) == (410, "job_deleted")


def test_the_given_up_are_counted(api: Calling) -> None:
    dead(api)
    assert "wan22_webhooks_dead 1.0" in api.http.get("/metrics").text


def test_the_client_lists_and_sends_them(api: Calling) -> None:
    jobs = [dead(api) for _ in range(3)]
    found = [each["job_id"] for each in api.stack.client.webhooks(limit=2)]
    assert found == jobs[::-1]
    assert api.stack.client.resend(jobs[0])["webhook"]["state"] == "owed"
