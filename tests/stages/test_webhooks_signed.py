"""What is sent is an event that ready-made packages take, and none that was altered by a byte."""

from collections.abc import Callable
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from receiver import OTHER_SECRET, SECRET, Received, Receiver
from telling import Teller

CLIENT = OpenAI(api_key="none", base_url="http://127.0.0.1:9", webhook_secret=SECRET)


def told(teller: Teller, receiver: Receiver, end: str = "completed", **wanted: object) -> Received:
    teller.end(receiver.url, end, **wanted)
    assert teller.tell()
    (received,) = receiver.received
    return received


SAID = {
    "completed": ("video.completed", "completed", None, None),
    "failed": ("video.failed", "failed", "image_lost", "The picture is gone."),
    "cancelled": ("video.failed", "cancelled", "cancelled", "Somebody cancelled this job."),
}


@pytest.mark.parametrize("end", SAID)
def test_both_packages_take_what_is_sent(
    teller: Callable[..., Teller], receiver: Receiver, end: str
) -> None:
    ours = teller(receiver.allow)
    received = told(ours, receiver, end, metadata={"shot": "naïve 圆"})
    event = CLIENT.webhooks.unwrap(received.body, received.headers).to_dict()
    assert Webhook(SECRET).verify(received.body, received.headers) == event
    kind, status, code, error = SAID[end]
    data: Any = event["data"]
    job = ours.job(data["id"])
    assert event == {
        "id": f"evt_{job.job_id}",
        "object": "event",
        "created_at": (job.ended_at or 0) // 1000,
        "type": kind,
        "data": {
            "id": job.job_id,
            "status": status,
            "error": error,
            "error_code": code,
            "metadata": {"shot": "naïve 圆"},
        },
    }
    assert received.headers["content-type"] == "application/json"
    assert received.path == "/hook"
    assert ours.row(job.job_id)["state"] == "delivered"


def refused_by_both(received: Received, secret: str = SECRET) -> bool:
    """Tell whether neither package takes a request for ours."""
    refused = 0
    try:
        CLIENT.webhooks.unwrap(received.body, received.headers, secret=secret)
    except InvalidWebhookSignatureError:
        refused += 1
    try:
        Webhook(secret).verify(received.body, received.headers)
    except WebhookVerificationError:
        refused += 1
    assert refused in {0, 2}, "they agree"
    return refused == 2


def other(text: str, place: int) -> str:
    """Change one character of a text, into one that may stand there as well."""
    changed = "8" if text[place] == "7" else "7"
    return text[:place] + changed + text[place + 1 :]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature", "body"])
def test_neither_package_takes_it_with_one_byte_altered(
    teller: Callable[..., Teller], receiver: Receiver, name: str
) -> None:
    """Any byte; of the signature's last character only the upper bits mean anything."""
    received = told(teller(receiver.allow), receiver)
    assert not refused_by_both(received)
    text = received.body.decode() if name == "body" else received.headers[name]
    signature = name == "webhook-signature"
    for place in range(len("v1,"), len(text) - 2) if signature else range(len(text)):
        changed = other(text, place)
        if name == "body":
            altered = Received(received.path, received.headers, changed.encode())
        else:
            altered = Received(received.path, received.headers | {name: changed}, received.body)
        assert refused_by_both(altered), changed


def test_another_secret_does_not_verify(teller: Callable[..., Teller], receiver: Receiver) -> None:
    assert refused_by_both(told(teller(receiver.allow), receiver), OTHER_SECRET)
