"""`GET /health`: whether the service can do its work, for anybody who asks."""

from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.answers import Health
from gateway.parts import Parts, in_thread, parts_of
from jobstore import idleness
from jobstore.clock import now_ms, text
from jobstore.disk import Room
from jobstore.job import Stage

STAGES = ("render", "deliver")


class Plan(NamedTuple):
    """When the machine stops because nobody needs it, and until when it does not."""

    stops_at: str | None
    awake_until: str | None


NOTHING = Plan(None, None)


async def health(request: Request) -> Response:
    """Answer 200 while jobs can be taken in, with what is down or loading; else 503."""
    parts = parts_of(request)
    stages = await in_thread(parts.reads, living_stages, parts)
    work = parts.settings.work
    room, plan = await in_thread(parts.reads, lambda: (parts.disk.room, planned(work, now_ms())))
    return JSONResponse(describe(stages, room, plan), headers={"Cache-Control": "no-store"})


def living_stages(parts: Parts) -> list[Stage]:
    """List the stages that beat; one of this machine that died is known by its lock at once."""
    given = parts.settings
    return parts.store.stages.living(given.heartbeat_s, given.work, now_ms())


def planned(work: Path, now: int) -> Plan:
    """Look up when the machine stops, and until when it is held awake."""
    idle, awake_until = idleness.read(work), idleness.awake_until(work, now)
    stops_at = idle.stops_at if idle and idle.is_followed(now) else None
    return Plan(text(stops_at) if stops_at else None, text(awake_until) if awake_until else None)


def describe(stages: list[Stage], room: Room, plan: Plan = NOTHING) -> Health:
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
        "stops_at": plan.stops_at,
        "awake_until": plan.awake_until,
    }
