"""The two calls that are measured, as one would write them with FastAPI over the same job store.

`python -m local.bench.fastapi_web PORT`, with the settings of the gateway, in a process of its own.
It asks for the key, checks the body, and logs a line per request, as uvicorn does by itself.
"""

import hashlib
import secrets
import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict, Field
from ulid import ULID

from gateway.answers import Accepted, JobStatus
from gateway.settings import GatewaySettings
from gateway.shown import facts, public
from jobstore.clock import now_ms
from jobstore.job import Arrival, Request
from jobstore.settings import read
from jobstore.store import Store


class Body(BaseModel):
    """The body of `POST /generate`: what both of these applications take."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=4000)
    seed: int | None = Field(None, ge=0, lt=2**63)
    priority: int = Field(0, ge=-100, le=100)
    metadata: dict[str, str] = {}


def build(settings: GatewaySettings, store: Store) -> FastAPI:
    """Make the application; what blocks is a plain function, which FastAPI calls in a thread."""
    can = settings.abilities()
    secret = settings.api_secret_key.get_secret_value()

    def check(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> None:
        if not secrets.compare_digest(key, secret):
            raise HTTPException(401)

    def generate(body: Body) -> Accepted:
        digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        seed = secrets.randbelow(2**63) if body.seed is None else body.seed
        request = Request.usual(can, body.prompt, seed)
        request = request.model_copy(update={"metadata": body.metadata})
        arrival = Arrival(
            str(ULID()), request, "rest", "main", request_hash=digest, priority=body.priority
        )
        job, _ = store.jobs.accept(arrival, now_ms())
        store.views.eta_s(job.job_id)
        return {
            "job_id": job.job_id,
            "status": public(job.state),
            "position": store.views.position(job.job_id),
        }

    def status(job_id: str) -> JobStatus:
        job = store.views.find(job_id)
        if job is None:
            raise HTTPException(404)
        eta_s = store.views.eta_s(job_id)
        return {
            "position": store.views.position(job_id),
            "eta_s": None if eta_s is None else round(eta_s),
            "upload": None,
            "video_url": None,
            "video_url_expires_at": None,
            "video_expires_at": None,
            "video_expired_at": None,
            "webhook": None,
            **facts(job),
        }

    app = FastAPI(dependencies=[Depends(check)])
    app.add_api_route("/generate", generate, methods=["POST"], status_code=202)
    app.add_api_route("/status/{job_id}", status, methods=["GET"])
    return app


if __name__ == "__main__":
    given = read(GatewaySettings)
    opened = Store.open(given.store_url, given.wake)
    uvicorn.run(build(given, opened), host="127.0.0.1", port=int(sys.argv[1]))
