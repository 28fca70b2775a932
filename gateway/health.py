"""`GET /health`: whether the service can do its work, for anybody who asks."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.answers import Health
from gateway.parts import Parts, in_thread, parts_of
from jobstore.clock import now_ms
from jobstore.disk import Room
from jobstore.job import Stage
from jobstore.owner import dead_owners

STAGES = ("render", "deliver")
BEATS_MISSED = 3  # after which a stage counts as down


async def health(request: Request) -> Response:
    """Answer 200 while jobs can be taken in, with what is down or loading; else 503."""
    parts = parts_of(request)
    stages = await in_thread(parts.reads, living_stages, parts)
    room = await in_thread(parts.reads, lambda: parts.disk.room)
    return JSONResponse(describe(stages, room), headers={"Cache-Control": "no-store"})


def living_stages(parts: Parts) -> list[Stage]:
    """List the stages that beat; one of this machine that died is known by its lock at once."""
    oldest = now_ms() - int(BEATS_MISSED * parts.settings.heartbeat_s * 1000)
    dead = dead_owners(parts.settings.work)
    stages = parts.store.stages.all()
    return [
        stage for stage in stages if stage.beat_at >= oldest and stage.facts["owner"] not in dead
    ]


def describe(stages: list[Stage], room: Room) -> Health:
    """Put the answer together; a stage that is not among the living is down."""
    known = {stage.name: stage.facts for stage in stages}
    states = {name: known[name]["state"] if name in known else "down" for name in STAGES}
    render = known.get("render", {})
    return {
        "status": "ok" if set(states.values()) == {"ready"} and room is Room.OK else "degraded",
        "gpu": render.get("gpu"),
        "model_loaded": bool(render.get("model_loaded")),
        "model": render.get("model"),
        "loading": render.get("loading"),
        "stages": states,
        "draining": render.get("draining"),
        "disk": room.value,
    }
