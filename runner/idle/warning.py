"""Telling that the machine is about to stop: one signed event to WEBHOOK_URL, one try."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from ulid import ULID

from jobstore.clock import text
from jobstore.errors import FetchRefused
from jobstore.fetch import Fetcher
from jobstore.webhooks import WebhookSettings, reach_of, scheme_of
from runner.deliver.event import headers_of

TYPE = "machine.stopping"


def body_of(event_id: str, host: str, since: int, stops_at: int, now: int) -> bytes:
    """Write the event, in the form of those that tell the end of a job."""
    event = {
        "id": event_id,
        "object": "event",
        "created_at": now // 1000,
        "type": TYPE,
        "data": {"id": host, "idle_since": text(since), "stops_at": text(stops_at)},
    }
    return json.dumps(event).encode("ascii")


def warn(
    settings: WebhookSettings, host: str, since: int, stops_at: int, now: int
) -> Mapping[str, object]:
    """Send the event, if there is somebody to send it to; answers what came of it, for the log."""
    url, secret = settings.webhook_url, settings.webhook_secret
    if url is None or secret is None:
        return {}
    event_id = f"evt_{ULID()}"
    body = body_of(event_id, host, since, stops_at, now)
    fetcher = Fetcher(reach_of(scheme_of(url), settings.webhook_exempt))
    try:
        status = fetcher.send(url, body, headers_of(secret.get_secret_value(), event_id, body, now))
    except FetchRefused as error:
        return {"told": False, "reason": error.reason}
    return {"told": HTTPStatus(200) <= status < HTTPStatus.MULTIPLE_CHOICES, "status": status}
