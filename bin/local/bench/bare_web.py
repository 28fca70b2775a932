"""The least that Starlette can do: a fixed JSON, no key, no store, no log.

`python -m local.bench.bare_web PORT`, in a process of its own.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.answers import JobStatus

STATUS: JobStatus = {
    "job_id": "01M82DP1AYBWNJN64VWY83HJNZ",
    "status": "queued",
    "video_url": None,
    "error": None,
    "error_code": None,
    "position": 5,
    "phase": None,
    "eta_s": None,
    "upload": None,
    "video_url_expires_at": None,
    "video_expires_at": None,
    "video_expired_at": None,
    "webhook": None,
    "progress": 0,
    "step": 0,
    "steps": 50,
    "seed": 7,
    "preset": "quality",
    "prompt": "a red circle moves right",
    "negative_prompt": "",
    "guidance_scale": 5.0,
    "width": 1280,
    "height": 704,
    "num_frames": 121,
    "fps": 24,
    "priority": 0,
    "metadata": {},
    "retry_of": None,
    "remix_of": None,
    "cancel_requested": False,
    "attempt": 0,
    "accepted_at": "2026-01-01T00:00:00.000Z",
    "started_at": None,
    "ended_at": None,
}


async def status(_: Request) -> JSONResponse:
    """Answer what a queued job would be."""
    return JSONResponse(STATUS)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/status/{job_id}", status)])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
