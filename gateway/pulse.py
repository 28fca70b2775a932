"""Telling systemd that the gateway serves, for as long as all of it comes round."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio.to_thread

from jobstore.notify import Notify

EVERY_S = 10.0
SERVING = "serving"


class Pulse:
    """Beats in the loop that answers; a loop that is blocked, or no thread left, ends it."""

    def __init__(self, notify: Notify, beside: Callable[[], Awaitable[None]]) -> None:
        """Tell `notify`; `beside` returns once what runs beside the answers has come round."""
        self._notify = notify
        self._beside = beside
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Say that the gateway serves, and then every few seconds that it still does."""
        self._notify.ready(SERVING)
        if self._notify.watchdog_s:
            self._task = asyncio.create_task(self._beat())

    def stop(self) -> None:
        """Say that it stops."""
        if self._task:
            self._task.cancel()
        self._notify.stopping()

    async def _beat(self) -> None:
        while True:
            await self._beside()
            await anyio.to_thread.run_sync(lambda: None)
            self._notify.alive(SERVING)
            await asyncio.sleep(self._notify.every_s(EVERY_S))
