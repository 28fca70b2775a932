"""Telling systemd how this process is; whoever starts it without systemd hears nothing."""

import os
import socket
from collections.abc import Mapping


class Notify:
    """What systemd is told, if it started this process and wants to hear.

    Source:
        sd_notify(3) and sd_watchdog_enabled(3): datagrams to the socket that NOTIFY_SOCKET names
        (`@` stands for the abstract namespace); WATCHDOG_USEC is how long it waits for the next
        sign of life, WATCHDOG_PID whose.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read where to tell, and how often."""
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        meant = environment.get("WATCHDOG_PID", f"{os.getpid()}") == f"{os.getpid()}"
        given = environment.get("WATCHDOG_USEC", "") if meant else ""
        self.watchdog_s = int(given) / 1e6 if given.isdecimal() and int(given) else None

    def every_s(self, usual_s: float) -> float:
        """Choose how often to give a sign of life: as usual, or so that two may be lost."""
        return min(usual_s, self.watchdog_s / 3) if self.watchdog_s else usual_s

    def ready(self, status: str) -> None:
        """Say that the process does its work from now on."""
        self._tell("READY=1", f"STATUS={status}")

    def moving(self, within_s: float, status: str) -> None:
        """Say that it is getting ready, and is to be given so many seconds for the next word."""
        self._tell(f"EXTEND_TIMEOUT_USEC={within_s * 1e6:.0f}", f"STATUS={status}")

    def alive(self, status: str) -> None:
        """Give a sign of life; only from where it is known that the work comes on."""
        self._tell("WATCHDOG=1", f"STATUS={status}")

    def stopping(self) -> None:
        """Say that it ends in good order."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def _tell(self, *words: str) -> None:
        """Tell it, if somebody hears: a word that is lost or refused is no reason to fail."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto("\n".join(words).encode(), self._address)
            except OSError:
                return
