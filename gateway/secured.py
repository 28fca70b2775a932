"""What every answer says about itself, so that a browser makes nothing else of it."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Each is said unless the answer says something else under that name; a page has its own policy."""

HSTS: Header = (b"strict-transport-security", b"max-age=604800")
"""A week, and only this name: who goes back to plain HTTP is not locked out for long."""


class Secured:
    """ASGI middleware around everything that answers."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the head of its answer."""

        async def send_secured(message: Message) -> None:
            """Send a message on; the first of an answer says more."""
            if message["type"] == "http.response.start":
                https = scope["scheme"] == "https"
                message["headers"] = secured(message.get("headers", ()), https=https)
            await send(message)

        await self.app(scope, receive, send_secured if scope["type"] == "http" else send)


def secured(headers: Iterable[Header], *, https: bool) -> list[Header]:
    """Add what is not said yet."""
    said = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in said}
    ours = (*HEADERS, HSTS) if https else HEADERS
    return said + [header for header in ours if header[0] not in names]
