"""`/webhooks`: those that did not get through, and sending one once more."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from structlog.stdlib import get_logger

from gateway.answers import JobName, JobWebhook, WebhookPage
from gateway.parts import Parts, in_thread, job_asked, parts_of
from gateway.problems import Problem, faults_of
from gateway.shown import find, show, webhook_facts
from jobstore.job import Webhook
from jobstore.keys import MAIN

log = get_logger()


class Undelivered(BaseModel):
    """The query of `GET /webhooks`; `after` is the `last_id` of the page before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["owed", "delivering", "dead"] = "dead"
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: JobName | None = None


async def list_webhooks(request: Request) -> Response:
    """Answer with a page of webhooks, those of the newest ends first."""
    parts, key_id = parts_of(request), request.scope["key_id"]
    try:
        wanted = Undelivered.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise Problem(faults_of(error, Undelivered)) from error
    found = await in_thread(parts.reads, page, parts, key_id, wanted)
    webhooks = found[: wanted.limit]
    body: WebhookPage = {
        "data": [of_job(webhook) for webhook in webhooks],
        "has_more": len(found) > wanted.limit,
        "first_id": webhooks[0].job_id if webhooks else None,
        "last_id": webhooks[-1].job_id if webhooks else None,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def page(parts: Parts, key_id: str, wanted: Undelivered) -> list[Webhook]:
    """Read one page of the webhooks of a key, and the first one behind it.

    Raises:
        Problem: `job_unknown`: `after` is no job with a webhook.
    """
    views, seq = parts.store.views, None
    if wanted.after is not None:
        job, last = views.find(wanted.after), views.webhook(wanted.after)
        if job is None or last is None or key_id not in {MAIN, job.key_id}:
            message = "after is no job that is known; send the last_id of the page before."
            raise Problem.of("job_unknown", message, "after")
        seq = last.seq
    whose = None if key_id == MAIN else key_id
    return views.webhooks(wanted.limit + 1, wanted.state, seq, whose)


def of_job(webhook: Webhook) -> JobWebhook:
    """Tell of a webhook, and whose it is."""
    return {"job_id": webhook.job_id, **webhook_facts(webhook)}


async def resend(request: Request) -> Response:
    """Answer 202 with the job once its webhook is owed again, whatever became of it."""
    parts, key_id, job_id = job_asked(request)
    await in_thread(parts.writes, owe_again, parts, key_id, job_id)
    shown = await in_thread(parts.reads, show, parts, key_id, job_id)
    return JSONResponse(shown.body, 202, {"Cache-Control": "no-store"})


def owe_again(parts: Parts, key_id: str, job_id: str) -> None:
    """Owe the webhook of a job once more; one that is being sent at this moment is left to it.

    Raises:
        Problem: `job_unfinished`, `webhook_missing`, or there is no such job.
    """
    job = find(parts, key_id, job_id)
    if job.webhook_url is None:
        message = "This job has no webhook; send webhook_url with the next one."
        raise Problem.of("webhook_missing", message)
    if job.ended_at is None:
        message = "This job has not ended: its webhook is sent by itself once it has."
        raise Problem.of("job_unfinished", message)
    if parts.store.outbox.resend(job_id):
        log.info("webhook.resent", job_id=job_id)
