"""The answer that tells of a job that was taken in."""

import math

from starlette.responses import JSONResponse, Response

from gateway.answers import Accepted
from gateway.parts import Parts
from gateway.shown import public
from jobstore.errors import StoreUnavailable
from jobstore.job import Job
from jobstore.moves import State

RETRY_AFTER_S = (2, 60)  # at least, at most


def accepted(parts: Parts, job: Job, *, new: bool = True) -> Response:
    """Answer 202 with the job's id and place, where to look for it, and when."""
    position = eta_s = None
    try:
        position = parts.store.views.position(job.job_id) if job.state is State.QUEUED else None
        eta_s = parts.store.views.eta_s(job.job_id)
    except StoreUnavailable:
        pass  # the job is safe; its place can be asked for later
    least, most = RETRY_AFTER_S
    body: Accepted = {"job_id": job.job_id, "status": public(job.state), "position": position}
    headers = {
        "Location": f"/status/{job.job_id}",
        "Retry-After": str(min(max(math.ceil(eta_s or 0), least), most)),
    }
    if not new:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(body, status_code=202, headers=headers)
