"""One canonical log line per request, and a `request_id` in every answer and every log line."""

import time
from types import MappingProxyType

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.stdlib import get_logger
from ulid import ULID

from gateway.problems import Problem, answer

log = get_logger()

TOLD = MappingProxyType({"key_id": "sender", "code": "code"})  # whose key it was, and why not
PATH_LIMIT = 200  # characters that are logged; nothing of ours is longer


class Access:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Number the request, pass it on, and log how it was answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = scope["request_id"] = str(ULID())
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = None

        async def send_with_id(message: Message) -> None:
            """Send a message on; the first of an answer gets the id in its head."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("request.abandoned")
        except Exception:
            log.exception("request.crashed")
            if status is None:
                fault = f"wan22 made a mistake; its log has the reason under {request_id}."
                response = answer(Problem.of("internal_error", fault), request_id)
                await response(scope, receive, send_with_id)
        finally:
            log.info(
                "request.answered",
                method=scope["method"],
                path=scope["path"][:PATH_LIMIT],
                status=status,
                duration_s=round(time.perf_counter() - began, 4),
                **{said: scope[name] for name, said in TOLD.items() if name in scope},
            )
            structlog.contextvars.unbind_contextvars("request_id")
