"""Request bodies: bounded while they arrive, and strict JSON once they are here."""

import json
from typing import NoReturn

from starlette.requests import Request

from gateway.problems import Problem

BODY_LIMIT_BYTES = 16 << 20


async def read_body(request: Request) -> bytes:
    """Read a JSON body, and stop as soon as it is too large.

    Raises:
        Problem: `media_type_wrong` or `body_too_large`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        message = "Send the body as JSON, with the header Content-Type: application/json."
        raise Problem.of("media_type_wrong", message)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            message = f"The body is larger than {BODY_LIMIT_BYTES >> 20} MiB; send a smaller image."
            raise Problem.of("body_too_large", message, headers={"Connection": "close"})
    return bytes(body)


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
