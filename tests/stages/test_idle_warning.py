"""That the machine stops is told to WEBHOOK_URL, signed, in one try."""

from pathlib import Path

import pytest
from standardwebhooks import Webhook

from idle_machine import idle_settings
from jobstore.clock import now_ms
from receiver import SECRET, Receiver
from runner.idle.warning import warn


@pytest.mark.parametrize(("status", "told"), [(204, True), (500, False)])
def test_it_is_told_once_whatever_is_answered(tmp_path: Path, status: int, *, told: bool) -> None:
    with Receiver(status) as receiver:
        to = {"webhook_allow": receiver.allow, "webhook_secret": SECRET}
        settings = idle_settings(tmp_path, **to, webhook_url=receiver.url)
        came = warn(settings, "M", 0, 86_400_000, now_ms())
    assert came == {"told": told, "status": status}
    (received,) = receiver.received
    event = Webhook(SECRET).verify(received.body, received.headers)
    assert event["type"] == "machine.stopping"
    assert event["id"] == received.webhook_id
    assert event["data"] == {
        "id": "M",
        "idle_since": "1970-01-01T00:00:00.000Z",
        "stops_at": "1970-01-02T00:00:00.000Z",
    }


def test_nobody_is_told_where_nobody_wants_to_know(tmp_path: Path) -> None:
    assert warn(idle_settings(tmp_path), "M", 0, 1, now_ms()) == {}


def test_a_receiver_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    to = {"webhook_allow": "127.0.0.1/32:9", "webhook_secret": SECRET}
    settings = idle_settings(tmp_path, **to, webhook_url="http://127.0.0.1:9/hook")
    assert warn(settings, "M", 0, 1, now_ms())["told"] is False
