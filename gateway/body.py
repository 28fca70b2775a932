"""Request bodies: bounded while they arrive, and strict once they are here; JSON or a form."""

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from gateway.pictures import LIMIT_BYTES
from gateway.problems import NAME_LIMIT, Problem

BODY_LIMIT_BYTES = 16 << 20
MEMBERS_LIMIT = 40  # of a form; what they are called is looked at later
JSON, FORM = "application/json", "multipart/form-data"
NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")
OBJECTS = frozenset({"metadata", "input_reference"})  # parts that may be one JSON text


@dataclass(frozen=True)
class Body:
    """What was sent: its members, and the picture that came with a form as a file.

    `typed`: numbers are numbers, as in JSON; in a form everything is text. `part` is what the
    picture's part of a form is called.
    """

    members: dict[str, object]
    part: str
    file: bytes | None = None
    typed: bool = True


async def read_body(request: Request, part: str) -> Body:
    """Read a body, JSON or a form, and stop as soon as it is too large.

    Args:
        request: whose body.
        part: the part of a form that may be a file, a picture.

    Raises:
        Problem: `media_type_wrong`, `body_too_large`, `json_broken`, `form_broken`, `field_wrong`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {JSON, FORM}:
        message = f"Send the body as JSON, with the header Content-Type: {JSON}, or as a {FORM}."
        raise Problem.of("media_type_wrong", message)
    if int(request.headers.get("content-length") or 0) > BODY_LIMIT_BYTES:
        raise too_large()
    bounded = Request(request.scope, bounded_receive(request.receive))
    if media_type == JSON:
        return Body(parse_object(await bounded.body()), part)
    return await read_form(bounded, part)


def bounded_receive(receive: Receive) -> Receive:
    """Pass a body on as it arrives, up to the limit.

    Raises:
        Problem: `body_too_large`, from what is returned.
    """
    left = BODY_LIMIT_BYTES

    async def receive_bounded() -> Message:
        """Pass the next piece on, and count it."""
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large()
        return message

    return receive_bounded


def too_large() -> Problem:
    """Say how large a body may be."""
    message = f"The body is larger than {BODY_LIMIT_BYTES >> 20} MiB; send a smaller image."
    return Problem.of("body_too_large", message)


async def read_form(request: Request, part: str) -> Body:
    """Read a form; a file in it goes to the disk while it arrives, once it is above 1 MB.

    Raises:
        Problem: `form_broken`, `json_broken` or `field_wrong`.
    """
    form = request.form(max_files=1, max_fields=MEMBERS_LIMIT, max_part_size=BODY_LIMIT_BYTES)
    try:
        async with form as parts:
            file = parts.get(part)
            picture = await file.read(LIMIT_BYTES + 1) if isinstance(file, UploadFile) else None
            return Body(members_of(parts, part), part, picture, typed=False)
    except HTTPException as error:
        raise Problem.of("form_broken", f"The form cannot be read: {error.detail}") from error


def members_of(form: FormData, part: str) -> dict[str, object]:
    """Take the members out of a form; `a[b]` is the member `b` of `a`.

    Raises:
        Problem: `json_broken` or `field_wrong`.
    """
    members: dict[str, object] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            is_object = name in OBJECTS and value.lstrip().startswith("{")
            put(members, name, parse_object(value.encode()) if is_object else value)
        elif name != part:
            message = f"{name[:NAME_LIMIT]} is a file; send the picture as the part {part}."
            raise Problem.of("field_wrong", message, name[:NAME_LIMIT])
    return members


def put(members: dict[str, object], name: str, value: object) -> None:
    """Put a part of a form where it belongs.

    Raises:
        Problem: `field_wrong`: it is there already.
    """
    into: object = members
    if nested := NESTED.fullmatch(name):
        outer, key = nested.groups()
        into = members.setdefault(outer, {})
    else:
        key = name
    if not isinstance(into, dict) or key in into:
        message = f"{name[:NAME_LIMIT]} is there twice."
        raise Problem.of("field_wrong", message, name[:NAME_LIMIT])
    into[key] = value


def parse_object(body: bytes) -> dict[str, object]:
    """Parse a body as one JSON object: no duplicate names, no NaN, nothing after it.

    Raises:
        Problem: `json_broken`, and where.
    """
    try:
        parsed = json.loads(
            body.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse_constant
        )
    except RecursionError as error:
        raise Problem.of("json_broken", "The JSON is nested too deeply.") from error
    except ValueError as error:
        raise Problem.of("json_broken", f"The body is not valid JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise Problem.of("json_broken", 'The body is a JSON object: {"prompt": "..."}.')
    return parsed


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its pairs, if no name comes twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        message = "a name stands twice in one object"
        raise ValueError(message)
    return members


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON."""
    message = f"{name} is not JSON"
    raise ValueError(message)
