"""`GET /health`: whether the service can do its work, for anybody who asks."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.parts import in_thread, parts_of
from jobstore.clock import now_ms
from jobstore.job import Stage

STAGES = ("render", "deliver")
BEATS_MISSED = 3  # after which a stage counts as down


async def health(request: Request) -> Response:
    """Answer 200 while jobs can be taken in, with what is down or loading; else 503."""
    parts = parts_of(request)
    stages = await in_thread(parts.reads, parts.store.stages.all)
    oldest = now_ms() - int(BEATS_MISSED * parts.settings.heartbeat_s * 1000)
    return JSONResponse(describe(stages, oldest), headers={"Cache-Control": "no-store"})


def describe(stages: list[Stage], oldest: int) -> dict[str, object]:
    """Put the answer together; a stage whose last beat is before `oldest` is down."""
    known = {stage.name: stage.facts for stage in stages if stage.beat_at >= oldest}
    states = {name: known[name]["state"] if name in known else "down" for name in STAGES}
    render = known.get("render", {})
    return {
        "status": "ok" if set(states.values()) == {"ready"} else "degraded",
        "gpu": render.get("gpu"),
        "model_loaded": bool(render.get("model_loaded")),
        "model": render.get("model"),
        "stages": states,
    }
