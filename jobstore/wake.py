"""Wake-ups between processes on one machine: a commit touches a file, and whoever watches wakes.

A wake-up is a hint. It can be lost, so every stage also looks by itself every few seconds.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import watchfiles
from structlog.stdlib import get_logger

log = get_logger()

STEP_MS = 10  # between two looks; each takes 10 us, so 1 ms would cost 1 to 3 % of a core for ever
AGAIN_S = 1  # until a watch that failed is tried again


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
            for names in changes_in(self.folder, stop):
                if topic in names:
                    call()

        threading.Thread(target=run, name=f"wake-{topic}", daemon=True).start()


def changes_in(folder: Path, stop: threading.Event) -> Iterator[set[str]]:
    """Name what changes in a folder, as it comes; ends with the folder, or when `stop` is set.

    A hint: what comes too fast is lost without a word, names that cannot be told are left out, even
    if none is left, and when the folder is removed and made again nothing more is told.
    """
    with contextlib.suppress(FileNotFoundError):
        while not stop.is_set():
            try:
                for changes in watchfiles.watch(
                    folder,
                    stop_event=stop,
                    recursive=False,
                    step=STEP_MS,
                    debounce=STEP_MS,
                    rust_timeout=500,
                ):
                    yield {Path(path).name for _, path in changes}
            except RuntimeError:  # a name that is no UTF-8 ended the watch, or none can be had
                yield set()
                stop.wait(AGAIN_S)
