"""`POST /generate`: a prompt, with or without a picture, becomes an accepted job."""

import errno
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from structlog.stdlib import get_logger
from ulid import ULID

from gateway.body import parse_object, read_body
from gateway.parts import Parts, in_thread, parts_of
from gateway.pictures import Picture, PictureRefused, decode, decode_base64
from gateway.problems import Fault, Problem
from jobstore.abilities import USUAL, Abilities
from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.failpoints import failpoint
from jobstore.job import Arrival, Job, Request

log = get_logger()

PROMPT_LIMIT = 4000  # characters
SEED_LIMIT = 2**63
MEMBERS_LIMIT = 20  # in a body, whatever they are: each unknown one is told in the answer
NAME_LIMIT = 100  # characters of an unknown field that are told
INVISIBLE = ("C", "Z")  # Unicode's categories of control, format and space characters
RETRY_AFTER_S = 2
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
KEY_ID = "main"  # whose jobs are those of API_SECRET_KEY


class Wanted(BaseModel):
    """The body of `POST /generate`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: Annotated[str, Field(max_length=PROMPT_LIMIT)]
    image_base64: str | None = None
    image_url: str | None = None
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] | None = None
    preset: str = USUAL

    @field_validator("prompt")
    @classmethod
    def _can_be_read(cls, prompt: str) -> str:
        if all(unicodedata.category(character)[0] in INVISIBLE for character in prompt):
            message = "is empty; describe the video you want"
            raise ValueError(message)
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in prompt.strip()):
            message = "has control characters in it; send plain text, on one line"
            raise ValueError(message)
        return prompt.strip()


async def generate(request: HttpRequest) -> Response:
    """Answer 202 once the job is in the store for good, and not before."""
    parts = parts_of(request)
    body = parse_object(await read_body(request))
    wanted, picture = await in_thread(parts.decodes, check, body, parts.abilities)
    job, position = await in_thread(parts.writes, accept, parts, wanted, picture)
    return JSONResponse(
        {"job_id": job.job_id, "status": job.state, "position": position},
        status_code=202,
        headers={"Location": f"/status/{job.job_id}", "Retry-After": str(RETRY_AFTER_S)},
    )


def check(body: dict[str, object], can: Abilities) -> tuple[Wanted, Picture | None]:
    """Check everything about a body.

    Raises:
        Problem: with every fault of it, not only the first.
    """
    if len(body) > MEMBERS_LIMIT:
        message = f"The body has {len(body)} fields; there are {', '.join(Wanted.model_fields)}."
        raise Problem.of("field_unknown", message)
    faults = []
    wanted = picture = None
    try:
        wanted = Wanted.model_validate(body)
    except ValidationError as error:
        faults = [fault_of(details) for details in error.errors(include_url=False)]
    if isinstance(name := body.get("preset"), str) and name not in can.presets:
        message = f"preset {name[:NAME_LIMIT]!r} is unknown; there are {', '.join(can.presets)}."
        faults.append(Fault("preset", "field_wrong", message))
    if body.get("image_url") is not None:
        message = "image_url is not offered yet; send the picture itself as image_base64."
        faults.append(Fault("image_url", "image_url_disabled", message))
    if isinstance(text := body.get("image_base64"), str):
        try:
            picture = decode(decode_base64(text))
        except PictureRefused as error:
            faults.append(Fault("image_base64", "image_invalid", f"image_base64 {error}."))
    if faults or wanted is None:
        raise Problem(faults)
    return wanted, picture


def accept(parts: Parts, wanted: Wanted, picture: Picture | None) -> tuple[Job, int | None]:
    """Stage the picture, then take the job in; a crash in between leaves only a stray file."""
    job_id = str(ULID())
    request = resolve(wanted, picture, parts.abilities, f"{job_id}.png")
    staged = stage(parts, picture, f"{job_id}.png") if picture else None
    try:
        failpoint("accept.staged")
        arrival = Arrival(job_id, request, source="rest", key_id=KEY_ID)
        job, _new = parts.store.jobs.accept(arrival, now_ms())
    except BaseException:
        if staged:
            staged.unlink(missing_ok=True)
        raise
    failpoint("accept.committed")
    log.info("job.accepted", job_id=job_id, mode="image" if picture else "text")
    try:
        return job, parts.store.views.position(job_id)
    except StoreUnavailable:
        return job, None  # the job is safe; its place can be asked for later


def stage(parts: Parts, picture: Picture, name: str) -> Path:
    """Write the picture to where its job will look for it.

    Raises:
        Problem: `disk_full`, or `store_unavailable` for any other trouble with the disk.
    """
    try:
        return picture.stage(parts.settings.images, name)
    except OSError as error:
        log.error("picture.refused", error=str(error))
        code = "disk_full" if error.errno in FULL else "store_unavailable"
        message = "The picture could not be kept on the disk; nothing was accepted. Try later."
        raise Problem.of(code, message, headers={"Retry-After": "60"}) from error


def resolve(wanted: Wanted, picture: Picture | None, can: Abilities, image: str) -> Request:
    """Fill in everything that was not asked for from what the model says of itself."""
    preset = can.presets[wanted.preset]
    width, height = can.size_for(picture.size if picture else None)
    return Request(
        prompt=wanted.prompt,
        negative_prompt=can.negative_prompt,
        image=image if picture else None,
        width=width,
        height=height,
        num_frames=can.num_frames,
        fps=can.fps,
        steps=preset.steps,
        guidance_scale=preset.guidance_scale,
        preset=wanted.preset,
        seed=secrets.randbelow(2**32) if wanted.seed is None else wanted.seed,
    )


def fault_of(details: Mapping[str, object]) -> Fault:
    """Say what is wrong with a field and how it would be right."""
    place = details["loc"]
    field = str(place[0])[:NAME_LIMIT] if isinstance(place, tuple) and place else ""
    if details["type"] == "missing":
        return Fault(field, "field_missing", f"{field} is required.")
    if details["type"] == "extra_forbidden":
        known = ", ".join(Wanted.model_fields)
        return Fault(field, "field_unknown", f"{field!r} is not a field; there are {known}.")
    said = str(details["msg"]).removeprefix("Value error, ")
    said = said.replace("Input should", "should").replace("String should", "should")
    return Fault(field, "field_wrong", f"{field} {said}.")
