"""What one call of the API is: a row of the table that drives routes, document and page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Answer:
    """How a call answers when it can: a TypedDict of `gateway.answers`, another type, or nothing.

    `says` is for people; `headers` are those that a caller may want to read.
    """

    says: str
    body: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """What a call heeds in the head of a request; `pattern` where other values are refused."""

    about: str
    pattern: str | None = None


@dataclass(frozen=True)
class Call:
    """One call: who answers it, what it takes, and everything it can answer.

    `path` is written as Starlette does; `name` is unique. `part` is the part that is a file, where
    the body may be a form. `refusals` are codes of `gateway.problems`; what every call can be
    refused with is not repeated.
    """

    method: str
    path: str
    name: str
    endpoint: Endpoint
    about: str
    answers: Mapping[int, Answer]
    refusals: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    part: str | None = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    is_open: bool = False
