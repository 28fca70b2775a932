"""Every call of the API, as a table."""

from gateway.answers import (
    Accepted,
    Capabilities,
    Deleted,
    Health,
    Heard,
    JobStatus,
    Page,
    VideoDeleted,
    VideoJob,
    VideoPage,
    WebhookPage,
)
from gateway.call import Answer, Call, Header
from gateway.capabilities import capabilities
from gateway.dialect import VideoWanted
from gateway.docs import docs, openapi
from gateway.events import events
from gateway.generate import PICTURE, generate
from gateway.health import health
from gateway.jobs import Cursor, Listed, cancel, delete, list_jobs, retry
from gateway.metrics import metrics
from gateway.sender import KEY
from gateway.status import status
from gateway.video import video
from gateway.videos import (
    Content,
    Remix,
    create_video,
    delete_video,
    download_video,
    list_videos,
    remix_video,
    retrieve_video,
)
from gateway.wanted import Wanted
from gateway.webhooks import Undelivered, list_webhooks, resend

JOB = ("job_unknown", "job_deleted")
BODY = ("json_broken", "form_broken", "media_type_wrong", "body_too_large", "disk_full")
FIELDS = ("field_missing", "field_unknown", "field_wrong", "request_invalid")
PICTURES = ("image_invalid", "image_fetch_failed", "pictures_unavailable")
HOOKS = ("webhook_refused", "webhook_unsigned")
AGAIN = ("idempotency_key_wrong", "idempotency_key_reused")
CROWDED = ("queue_full", "key_queue_full", "key_busy")
BYTES = ("video_missing", "video_expired", "job_unfinished", "range_wrong", "storage_unavailable")
KEYED = {
    "Idempotency-Key": Header(
        "A name for this job: sent again with it, it is not made again.",
        f'^({KEY}|"{KEY}")$',
    )
}
SPAN = {
    "Range": Header("The bytes that are wanted: `bytes=FIRST-LAST`."),
    "If-Range": Header("An `ETag`."),
}
MP4 = {
    200: Answer("The video.", bytes, "video/mp4", ("ETag", "Accept-Ranges")),
    206: Answer("The part of it that was asked for.", bytes, "video/mp4", ("Content-Range",)),
}
TAKEN = Answer("The job is safe.", Accepted, headers=("Location", "Retry-After"))
SEEN = {
    200: Answer("The job.", JobStatus, headers=("ETag", "Preference-Applied")),
    304: Answer("It is as it was."),
}
WAITED = {
    "Prefer": Header(
        "`wait=30`: answer once the job has ended, or after so many seconds (at most 60)."
    ),
    "If-None-Match": Header(
        "The `ETag` of an earlier answer: with `wait`, answer once it has changed."
    ),
}
POLLED = ("openai-poll-after-ms",)

CALLS = (
    Call(
        "POST",
        "/generate",
        "generate",
        generate,
        "Send a job. A picture comes as base64, or as the file `image` of a form.",
        {202: TAKEN},
        (*BODY, *FIELDS, *PICTURES, *HOOKS, *AGAIN, *CROWDED),
        body=Wanted,
        part=PICTURE,
        headers=KEYED,
    ),
    Call(
        "GET",
        "/status/{job_id:job}",
        "status",
        status,
        "How far a job is.",
        SEEN,
        JOB,
        headers=WAITED,
    ),
    Call("GET", "/jobs/{job_id:job}", "job", status, "The same.", SEEN, JOB, headers=WAITED),
    Call(
        "GET",
        "/jobs",
        "list_jobs",
        list_jobs,
        "List jobs, the newest first.",
        {200: Answer("A page.", Page)},
        (*FIELDS, "job_unknown"),
        query=Listed,
    ),
    Call(
        "POST",
        "/jobs/{job_id:job}/cancel",
        "cancel",
        cancel,
        "Cancel a job; one that is being rendered ends a little later.",
        {
            200: Answer("It is cancelled.", JobStatus),
            202: Answer("It is being rendered, and will end.", JobStatus),
        },
        (*JOB, "cancel_too_late"),
    ),
    Call(
        "POST",
        "/jobs/{job_id:job}/retry",
        "retry",
        retry,
        "Ask for the same as a job that has ended, in a new one.",
        {202: TAKEN},
        (*JOB, "job_unfinished", "image_lost", "disk_full", *CROWDED),
    ),
    Call(
        "DELETE",
        "/jobs/{job_id:job}",
        "delete",
        delete,
        "Delete a job that has ended, and its video.",
        {200: Answer("It is gone.", Deleted)},
        ("job_unknown", "job_unfinished"),
    ),
    Call(
        "GET",
        "/jobs/{job_id:job}/events",
        "events",
        events,
        "Server-sent events: `state`, `progress`, and at last `ended`.",
        {
            200: Answer("They come until the job has ended.", Heard, "text/event-stream"),
            204: Answer("The end was told already."),
        },
        (*JOB, "streams_full"),
        headers={
            "Last-Event-ID": Header("The last `id` that was heard: what came after it is told.")
        },
    ),
    Call(
        "GET",
        "/jobs/{job_id:job}/video",
        "video",
        video,
        "The MP4 of a completed job.",
        MP4,
        (*JOB, *BYTES, "link_wrong"),
        headers=SPAN,
    ),
    Call(
        "POST",
        "/jobs/{job_id:job}/webhook",
        "resend_webhook",
        resend,
        "Send the webhook of a job that has ended once more.",
        {202: Answer("It will be sent.", JobStatus)},
        (*JOB, "job_unfinished", "webhook_missing"),
    ),
    Call(
        "GET",
        "/webhooks",
        "list_webhooks",
        list_webhooks,
        "List webhooks that did not get through, those of the newest ends first.",
        {200: Answer("A page.", WebhookPage)},
        (*FIELDS, "job_unknown"),
        query=Undelivered,
    ),
    Call(
        "GET",
        "/capabilities",
        "capabilities",
        capabilities,
        "What the model can do, and the limits of a request.",
        {200: Answer("What it can do.", Capabilities)},
    ),
    Call(
        "POST",
        "/v1/videos",
        "create_video",
        create_video,
        "Send a job, as the clients of OpenAI do; all fields of `POST /generate` are taken too.",
        {200: Answer("The job.", VideoJob, headers=POLLED)},
        (*BODY, *FIELDS, *PICTURES, *HOOKS, *AGAIN, *CROWDED),
        body=VideoWanted,
        part="input_reference",
        headers=KEYED,
    ),
    Call(
        "GET",
        "/v1/videos",
        "list_videos",
        list_videos,
        "List jobs, the newest first.",
        {200: Answer("A page.", VideoPage)},
        (*FIELDS, "job_unknown"),
        query=Cursor,
    ),
    Call(
        "GET",
        "/v1/videos/{job_id:job}",
        "retrieve_video",
        retrieve_video,
        "How far a job is.",
        {200: Answer("The job.", VideoJob, headers=POLLED)},
        ("job_unknown",),
    ),
    Call(
        "DELETE",
        "/v1/videos/{job_id:job}",
        "delete_video",
        delete_video,
        "Delete a job that has ended, and its video.",
        {200: Answer("It is gone.", VideoDeleted)},
        ("job_unknown", "job_unfinished"),
    ),
    Call(
        "GET",
        "/v1/videos/{job_id:job}/content",
        "download_video",
        download_video,
        "The MP4 of a completed job.",
        MP4,
        ("job_unknown", *BYTES, *FIELDS),
        query=Content,
        headers=SPAN,
    ),
    Call(
        "POST",
        "/v1/videos/{job_id:job}/remix",
        "remix_video",
        remix_video,
        "Ask for the same as a job, with another prompt.",
        {200: Answer("The new job.", VideoJob, headers=POLLED)},
        ("job_unknown", "image_lost", *BODY, *FIELDS, *AGAIN, *CROWDED),
        body=Remix,
        headers=KEYED,
    ),
    Call(
        "GET",
        "/health",
        "health",
        health,
        "Whether the service can do its work.",
        {200: Answer("How it is.", Health)},
        is_open=True,
    ),
    Call(
        "GET",
        "/metrics",
        "metrics",
        metrics,
        "Figures for Prometheus.",
        {200: Answer("They are of this moment.", str, "text/plain")},
    ),
    Call(
        "GET",
        "/openapi.json",
        "openapi",
        openapi,
        "This document.",
        {200: Answer("OpenAPI 3.1.", dict)},
        is_open=True,
    ),
    Call(
        "GET",
        "/docs",
        "docs",
        docs,
        "The same, for people.",
        {200: Answer("A page.", str, "text/html")},
        is_open=True,
    ),
)
