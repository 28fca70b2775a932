"""The answer to whoever speaks plain HTTP to a port that speaks HTTPS."""

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gateway.problems import Problem, answer

HOST_LIMIT = 100  # characters of the caller's own words


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Say what to do, whatever was asked."""
    host = Headers(scope=scope).get("host", "")[:HOST_LIMIT]
    message = (
        f"This port speaks HTTPS; use https://{host}. What was just sent, a key too,"
        " was not encrypted on its way."
    )
    problem = Problem.of("plain_http", message, headers={"Connection": "close"})
    await answer(problem, scope["request_id"])(scope, receive, send)
