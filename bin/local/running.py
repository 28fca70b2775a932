"""Programs that are started here and ended here, by their pid."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE_S = 120.0
SEAWEED_ADDS = 10_000  # to each of its ports, for gRPC
CANDIDATES = iter(range(20_000 + os.getpid() % 10_000, 50_000))


class StartFailed(Exception):
    """A program ended, or did not get ready in time; the message ends with what it logged."""


class Running:
    """One program, with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only whoever ends it."""
        self.log = log
        self.name = " ".join(command[:3])
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait until `ready` says so.

        Raises:
            StartFailed: the program ended, or time ran out.
        """
        deadline = time.monotonic() + patience_s
        while not ready():
            if not self.alive:
                message = f"ended with code {self._process.returncode}"
            elif time.monotonic() > deadline:
                message = f"was not ready after {patience_s:.0f} s"
            else:
                time.sleep(0.05)
                continue
            text = f"{self.name} {message}:\n{self.tail()}"
            raise StartFailed(text)

    def wait_for_end(self, patience_s: float = PATIENCE_S) -> int:
        """Wait until it ends by itself; answers its exit code."""
        return self._process.wait(patience_s)

    def tail(self, lines: int = 20) -> str:
        """Show the end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self, number: int = signal.SIGTERM, patience_s: float = 20) -> int:
        """Send it a signal and wait; after `patience_s` it is killed. Answers its exit code."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def free_ports(count: int) -> list[int]:
    """Find ports on loopback that nobody uses, another one at each call."""
    free = (port for port in CANDIDATES if is_free(port) and is_free(port + SEAWEED_ADDS))
    return list(itertools.islice(free, count))


def is_free(port: int) -> bool:
    """Tell whether a port on loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
