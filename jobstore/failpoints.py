"""Places where a test can end this process, or put it to sleep: between two persistent steps.

Off unless the environment asks: `FAILPOINT=kill:NAME`, `stop:NAME`, or `hang:NAME` for the thread
alone. A test collects the names from the code, so a new one that no drill knows fails it.
"""

import os
import signal
import threading

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def failpoint(name: str) -> None:
    """End or stop this process here, if that was asked for; once, should it wake up again."""
    asked = os.environ.get("FAILPOINT")
    if asked:
        how, _, place = asked.partition(":")
        if place == name:
            del os.environ["FAILPOINT"]
            if how == "hang":
                threading.Event().wait()
            os.kill(os.getpid(), SIGNALS[how])
