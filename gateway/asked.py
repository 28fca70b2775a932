"""What a request asks for, checked as a whole before anything is kept."""

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.body import Body
from gateway.gate import GateUnavailable, admit
from gateway.parts import Parts, in_thread
from gateway.pictures import Picture, PictureRefused, decode_base64
from gateway.problems import Fault, Problem, faults_of
from gateway.targets import target_faults
from gateway.wanted import Wanted
from jobstore.abilities import Abilities
from jobstore.errors import FetchRefused, StoreUnavailable
from jobstore.job import Job, Request

MEMBERS_LIMIT = 20  # of a body, whatever they are: each unknown one is told in the answer


@dataclass(frozen=True)
class Asked:
    """A request that was checked, with its picture, and a hash of all that was asked.

    `remix_of`: the job that it is a remix of. `webhook_url`: where its end is told.
    """

    request: Request
    picture: Picture | None
    digest: str
    priority: int = 0
    remix_of: str | None = None
    webhook_url: str | None = None


async def ask(parts: Parts, body: Body) -> Asked:
    """Check everything about a body, its picture included; one that is fetched comes last of all.

    Raises:
        Problem: with every fault of it, not only the first; or pictures cannot be looked at now.
    """
    wanted, faults = validated(body, parts.abilities)
    faults += target_faults(parts.settings, body.members.get("webhook_url"))
    field = next(iter(sources(body)), "")
    content = picture = None
    try:
        if field != "image_url":
            content = sent_picture(body)
        elif not faults:
            content = await in_thread(parts.fetches, parts.fetcher.fetch, wanted_url(body))
        if content is not None:
            picture = await in_thread(parts.decodes, admit, content)
    except PictureRefused as error:
        faults.append(Fault(field, "image_invalid", f"{field} {error}."))
    except FetchRefused:
        message = "image_url leads to no picture that can be fetched; send the picture itself."
        faults.append(Fault(field, "image_fetch_failed", message))
    except StoreUnavailable as error:  # too many others wait for the same
        raise GateUnavailable from error
    if faults or wanted is None:
        raise Problem(faults)
    request = wanted.resolve(picture.size if picture else None, parts.abilities)
    fetched = field == "image_url"  # what lies there may change: it is the URL that was asked for
    return Asked(
        request,
        picture,
        wanted.digest(None if fetched else content),
        wanted.priority,
        webhook_url=wanted.webhook_url,
    )


def validated(body: Body, can: Abilities) -> tuple[Wanted | None, list[Fault]]:
    """Check the members of a body, but not its picture.

    Raises:
        Problem: there are far too many.
    """
    if len(body.members) > MEMBERS_LIMIT:
        known = ", ".join(Wanted.model_fields)
        message = f"The body has {len(body.members)} fields; there are {known}."
        raise Problem.of("field_unknown", message)
    faults, wanted = [], None
    try:
        strict = None if body.typed else False
        wanted = Wanted.model_validate(body.members, context=can, strict=strict)
    except ValidationError as error:
        faults = faults_of(error, Wanted)
    first, *others = [*sources(body), ""]
    faults += [
        Fault(name, "field_wrong", f"{name} says the same as {first}; send one of them.")
        for name in others
        if name
    ]
    return wanted, faults


def sources(body: Body) -> list[str]:
    """Name the fields in which a picture came."""
    named = [name for name in ("image_base64", "image_url") if body.members.get(name) is not None]
    return ([body.part] if body.file is not None else []) + named


def wanted_url(body: Body) -> str:
    """Find where a picture is to be fetched; it was checked to be text."""
    return str(body.members["image_url"])


def sent_picture(body: Body) -> bytes | None:
    """Find the picture that came with a body, as a file or as base64.

    Raises:
        PictureRefused: it is too large, or not base64.
    """
    text = body.members.get("image_base64")
    if body.file is None:
        return decode_base64(text) if isinstance(text, str) else None
    return body.file


def remixed(job: Job, prompt: str, key_id: str, can: Abilities) -> Asked:
    """Ask for the same as a job did, with another prompt.

    Where its end was told, that of the remix is as well, unless another key asks for it.

    Raises:
        ValidationError: the prompt is none.
    """
    wanted = Wanted.model_validate({"prompt": prompt}, context=can)
    digest = hashlib.sha256(f"remix {job.job_id} {wanted.prompt}".encode()).hexdigest()
    another = job.request.model_copy(update={"prompt": wanted.prompt})
    webhook_url = job.webhook_url if job.key_id == key_id else None
    return Asked(another, None, digest, remix_of=job.job_id, webhook_url=webhook_url)
