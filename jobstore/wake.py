"""Wake-ups between processes on one machine: a commit touches a file, and whoever watches wakes.

A wake-up is a hint. It can be lost, so every stage also looks by itself every few seconds.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import watchfiles
from structlog.stdlib import get_logger

log = get_logger()


class Wake:
    """One empty file per topic (`jobs`, `outbox`, `changes`) in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def ring(self, topic: str) -> None:
        """Wake whoever watches the topic. Never fails: what was committed stays committed."""
        try:
            (self.folder / topic).touch()
        except OSError as error:
            log.warning("wake.missed", topic=topic, error=str(error))

    def watch(self, topic: str, call: Callable[[], None], stop: threading.Event) -> None:
        """Call back at each ring, until `stop` is set; runs in a thread of its own."""

        def run() -> None:
            for changes in watchfiles.watch(
                self.folder, stop_event=stop, recursive=False, step=1, debounce=1, rust_timeout=500
            ):
                if any(Path(path).name == topic for _, path in changes):
                    call()

        threading.Thread(target=run, name=f"wake-{topic}", daemon=True).start()
