"""What a webhook says: the end of a job, in the form that Standard Webhooks and OpenAI share."""

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from jobstore.job import Job
from jobstore.moves import State

CANCELLED = ("cancelled", "Somebody cancelled this job.")


def body_of(job: Job, event_id: str) -> bytes:
    """Write the event of a job that has ended; the same bytes at each try.

    It has no link in it: whoever has the key asks for one, and it is good from then on.

    Source:
        The events of OpenAI (openai 3.57, types/webhooks): `id`, `object`, `created_at` in seconds,
        `type`, `data` with the `id` of what has ended.
    """
    code, error = CANCELLED if job.state is State.CANCELLED else (job.error_code, job.error)
    completed = job.state is State.COMPLETED
    event = {
        "id": event_id,
        "object": "event",
        "created_at": (job.ended_at or 0) // 1000,
        "type": "video.completed" if completed else "video.failed",
        "data": {
            "id": job.job_id,
            "status": job.state,
            "error": None if completed else error,
            "error_code": None if completed else code,
            "metadata": job.request.metadata,
        },
    }
    return json.dumps(event).encode("ascii")


def headers_of(secret: str, event_id: str, body: bytes, now: int) -> dict[str, str]:
    """Sign an event; `now` is when it is sent, which receivers hold to their own clock."""
    sent_s = now // 1000
    moment = datetime.fromtimestamp(sent_s, UTC)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": f"{sent_s}",
        "webhook-signature": Webhook(secret).sign(event_id, moment, body.decode("ascii")),
    }
