"""A body comes at least so fast: whoever lets it trickle is told so, and let go."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.patience import Patience
from gateway.problems import Problem


class Pace:
    """ASGI middleware; what reads the body of a request raises `request_too_slow`."""

    def __init__(self, app: ASGIApp, patience: Patience) -> None:
        """Wrap an application."""
        self.app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a body that comes in time."""
        if scope["type"] == "http":
            receive = paced(receive, self._patience)
        await self.app(scope, receive, send)


def paced(receive: Receive, patience: Patience) -> Receive:
    """Pass a body on as it arrives: in each window of waiting for it, so many bytes.

    A window ends as soon as its bytes are here, so that a quick beginning earns no slow end. After
    the body nothing is bounded: then it is the caller who waits.

    Raises:
        Problem: `request_too_slow`, from what is returned.
    """
    clock = asyncio.get_running_loop().time
    waited_s, arrived, over = 0.0, 0, False

    async def receive_paced() -> Message:
        """Pass one piece of the body on, if it comes in time."""
        nonlocal waited_s, arrived, over
        if over:
            return await receive()
        began = clock()
        try:
            async with asyncio.timeout(patience.body_window_s - waited_s):
                message = await receive()
        except TimeoutError as error:
            raise too_slow(patience) from error
        waited_s += clock() - began
        arrived += len(message.get("body", b""))
        over = not message.get("more_body", False)
        if arrived >= patience.body_window_bytes:
            waited_s, arrived = 0.0, 0
        return message

    return receive_paced


def too_slow(patience: Patience) -> Problem:
    """Say how fast a body has to be."""
    rate = patience.body_window_bytes / patience.body_window_s / 1024
    message = f"The body came too slowly; send at least {rate:.0f} KiB a second, without pauses."
    return Problem.of("request_too_slow", message, headers={"Connection": "close"})
