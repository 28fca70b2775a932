"""Webhooks, one try after the other, against a real receiver; time is what the claim says."""

import json
import random
from collections.abc import Callable

import pytest
from openai import OpenAI
from structlog.testing import capture_logs

from jobstore.clock import now_ms
from jobstore.objects import Objects
from local.running import free_ports
from receiver import LOOPBACK, SECRET, Receiver
from runner.deliver.pay import Pay
from runner.deliver.settings import DeliverSettings
from runner.deliver.webhooks import JITTER, PAUSES_S
from telling import Teller

CLIENT = OpenAI(api_key="none", base_url="http://127.0.0.1:9", webhook_secret=SECRET)


def test_a_receiver_that_was_down_for_three_tries_gets_the_fourth_with_the_same_id(
    teller: Callable[..., Teller],
) -> None:
    (port,) = free_ports(1)
    ours = teller(f"{LOOPBACK}/32:{port}")
    job_id = ours.end(f"http://{LOOPBACK}:{port}/hook")
    for attempt, pause_s in enumerate(PAUSES_S[:3], 1):
        before = now_ms()
        assert ours.tell()
        row = ours.row(job_id)
        assert (row["state"], row["attempt"]) == ("owed", attempt)
        assert row["error"] == "The receiver could not be reached."
        assert pause_s <= (row["due_at"] - before) / 1000 <= pause_s * (1 + JITTER) + 30
    with Receiver(port=port) as up:
        assert ours.tell()
        assert ours.row(job_id)["state"] == "delivered"
        assert [received.webhook_id for received in up.received] == [f"evt_{job_id}"]
        assert not ours.tell()


def test_it_is_dead_after_the_last_try_listed_and_sent_again_on_demand(
    teller: Callable[..., Teller],
) -> None:
    """Six tries; then, asked for, one more, with the same id."""
    with Receiver(*[500] * 6, 204) as receiver:
        ours = teller(receiver.allow)
        job_id = ours.end(receiver.url)
        views = ours.stage.store.views
        for _ in range(len(PAUSES_S)):
            assert ours.tell()
        assert views.webhooks(9, "dead") == []
        with capture_logs() as logs:
            assert ours.tell()
        assert [line["event"] for line in logs] == ["webhook.abandoned"]
        (dead,) = views.webhooks(9, "dead")
        assert (dead.job_id, dead.attempts) == (job_id, 6)
        assert dead.error == "The receiver answered 500."
        assert not ours.tell()
        assert ours.stage.store.outbox.resend(job_id)
        assert ours.tell()
        assert views.webhooks(9, "dead") == []
        assert ours.row(job_id)["state"] == "delivered"
        assert {received.webhook_id for received in receiver.received} == {f"evt_{job_id}"}
        assert len(receiver.received) == 7


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, "delivered") for status in (200, 201, 202, 204, 299)),
        *((status, "owed") for status in (300, 304, 400, 401, 404, 409, 429, 500, 503)),
        (410, "dead"),
    ],
)
def test_a_status_decides(teller: Callable[..., Teller], status: int, state: str) -> None:
    with Receiver(status) as receiver:
        ours = teller(receiver.allow)
        job_id = ours.end(receiver.url)
        assert ours.tell()
        assert ours.row(job_id)["state"] == state
        assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_follows_a_redirect(
    teller: Callable[..., Teller], receiver: Receiver, status: int
) -> None:
    """Not even to where it may go."""
    with Receiver(status, location=receiver.url) as first:
        ours = teller(first.allow, receiver.allow)
        job_id = ours.end(first.url)
        assert ours.tell()
        assert ours.row(job_id)["error"] == f"The receiver answered {status}."
        assert receiver.received == []


def test_without_a_secret_nothing_is_sent_and_the_log_says_so(
    teller: Callable[..., Teller], receiver: Receiver
) -> None:
    ours = teller(receiver.allow, secret="")
    job_id = ours.end(receiver.url)
    with capture_logs() as logs:
        assert ours.tell()
    assert [line["event"] for line in logs] == ["webhook.blocked", "webhook.postponed"]
    assert ours.row(job_id)["state"] == "owed"
    assert receiver.received == []


def test_the_log_knows_neither_the_url_nor_the_secret(
    teller: Callable[..., Teller], receiver: Receiver
) -> None:
    ours = teller(receiver.allow)
    ours.end(f"{receiver.url}?token=canary")
    ours.end("https://127.0.0.1/?token=canary")
    with capture_logs() as logs:
        assert ours.tell()
        assert ours.tell()
    assert [line["event"] for line in logs] == ["webhook.delivered", "webhook.postponed"]
    assert "canary" not in str(logs)
    assert SECRET not in str(logs)


def test_the_delivery_stage_tells_what_is_owed(
    teller: Callable[..., Teller], receiver: Receiver
) -> None:
    ours = teller(receiver.allow)
    given = ours.stage.settings
    assert isinstance(given, DeliverSettings)
    pay = Pay(ours.stage, Objects.of(given), random.Random(1), ours.webhooks)
    pay.prepare()
    job_id = ours.end(receiver.url)
    assert pay.run_once()
    pay.settle()
    assert ours.row(job_id)["state"] == "delivered"
    assert json.loads(receiver.received[0].body)["data"]["id"] == job_id
    assert not pay.run_once()
