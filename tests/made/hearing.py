"""The socket on which systemd hears how its services are, and the clock of its watchdog."""

import re
import socket
import time
from pathlib import Path
from typing import Self

PATIENCE_S = 60.0


class Hearing:
    """Hears one process; it is bound where the process is to tell it."""

    def __init__(self, path: Path, watchdog_s: float) -> None:
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}"}
        self.watchdog_s = watchdog_s
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait_for(self, word: str, patience_s: float = PATIENCE_S) -> str:
        """Hear until a line begins with a word; answers the line."""
        deadline = time.monotonic() + patience_s
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            lines = self._socket.recv(4096).decode().splitlines()
            self.words += [re.split("=", line)[0] for line in lines]
            for line in lines:
                if line.startswith(word):
                    return line

    def starves(self) -> bool:
        """Wait until the watchdog has gone unfed for as long as systemd would wait."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.wait_for("WATCHDOG=1", self.watchdog_s)
            except TimeoutError:
                return True
        return False
