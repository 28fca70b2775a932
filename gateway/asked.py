"""What a request asks for, checked as a whole before anything is kept."""

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.body import Body
from gateway.pictures import LIMIT_BYTES, Picture, PictureRefused, decode, decode_base64
from gateway.problems import Fault, Problem, faults_of
from gateway.wanted import Wanted
from jobstore.abilities import Abilities
from jobstore.job import Request

MEMBERS_LIMIT = 20  # of a body, whatever they are: each unknown one is told in the answer


@dataclass(frozen=True)
class Asked:
    """A request that was checked, with its picture, and a hash of all that was asked.

    `remix_of`: the job that it is a remix of.
    """

    request: Request
    picture: Picture | None
    digest: str
    priority: int = 0
    remix_of: str | None = None


def check(body: Body, can: Abilities) -> Asked:
    """Check everything about a body.

    Raises:
        Problem: with every fault of it, not only the first.
    """
    if len(body.members) > MEMBERS_LIMIT:
        known = ", ".join(Wanted.model_fields)
        message = f"The body has {len(body.members)} fields; there are {known}."
        raise Problem.of("field_unknown", message)
    faults = []
    wanted = picture = content = None
    try:
        strict = None if body.typed else False
        wanted = Wanted.model_validate(body.members, context=can, strict=strict)
    except ValidationError as error:
        faults = faults_of(error, Wanted)
    if body.members.get("image_url") is not None:
        message = "image_url is not offered yet; send the picture itself as image_base64."
        faults.append(Fault("image_url", "image_url_disabled", message))
    field = body.part if body.file is not None else "image_base64"
    try:
        content = sent_picture(body)
        picture = None if content is None else decode(content)
    except PictureRefused as error:
        faults.append(Fault(field, "image_invalid", f"{field} {error}."))
    if faults or wanted is None:
        raise Problem(faults)
    request = wanted.resolve(picture.size if picture else None, can)
    return Asked(request, picture, wanted.digest(content), wanted.priority)


def sent_picture(body: Body) -> bytes | None:
    """Find the picture that came with a body, as a file or as base64.

    Raises:
        PictureRefused: it came twice, is too large, or is not base64.
    """
    text = body.members.get("image_base64")
    if body.file is None:
        return decode_base64(text) if isinstance(text, str) else None
    if text is not None:
        message = "says the same as image_base64; send one of them"
        raise PictureRefused(message)
    if len(body.file) > LIMIT_BYTES:
        message = f"is larger than {LIMIT_BYTES >> 20} MiB; send a smaller image"
        raise PictureRefused(message)
    return body.file


def remixed(request: Request, prompt: str, remix_of: str, can: Abilities) -> Asked:
    """Ask for the same as a job did, with another prompt.

    Raises:
        ValidationError: the prompt is none.
    """
    wanted = Wanted.model_validate({"prompt": prompt}, context=can)
    digest = hashlib.sha256(f"remix {remix_of} {wanted.prompt}".encode()).hexdigest()
    another = request.model_copy(update={"prompt": wanted.prompt})
    return Asked(another, None, digest, remix_of=remix_of)
