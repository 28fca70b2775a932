"""How many callers are being served, and when the last one asked: what an idle machine goes by."""

from starlette.types import ASGIApp, Receive, Scope, Send

from jobstore.clock import now_ms

OVERLOOKED = frozenset({"/metrics"})  # asked by programs that only watch


class Served:
    """Answers under way, uploads and downloads among them, and the last moment there was one."""

    def __init__(self) -> None:
        """Begin without any."""
        self.under_way = 0
        self.asked_at: int | None = None

    def facts(self) -> dict[str, object]:
        """Tell both, as the beat of the gateway does."""
        return {"serving": self.under_way, "asked_at": self.asked_at}


class Serving:
    """ASGI middleware that counts those who came with a key; it asks nobody and writes nothing.

    It stands behind the one that looks at keys: without a right one nobody keeps a machine awake,
    and the open calls are for those who only want to know how it is.
    """

    def __init__(self, app: ASGIApp, served: Served) -> None:
        """Wrap an application."""
        self.app = app
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it until it has its whole answer."""
        if "key_id" not in scope or scope["path"] in OVERLOOKED:
            await self.app(scope, receive, send)
            return
        served = self._served
        served.under_way += 1
        served.asked_at = now_ms()
        try:
            await self.app(scope, receive, send)
        finally:
            served.under_way -= 1
            served.asked_at = now_ms()
