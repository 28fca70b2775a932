"""Programs that are started here and ended here, by their pid."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

PATIENCE_S = 120.0
SEAWEED_ADDS = 10_000  # to each of its ports, for gRPC
PORTS = range(12_768, 22_768)  # with what SeaweedFS adds still below those of outgoing connections
SOCKETS = Path("/tmp")  # SeaweedFS puts its sockets there, and nowhere else
BLOCK = 100  # ports that one process takes at a time
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(Exception):
    """A program ended, or did not get ready in time; the message ends with what it logged."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back what would end us, such as Ctrl-C, until this is done; the first one then comes."""
    held: list[int] = []
    before = {number: signal.signal(number, lambda it, _: held.append(it)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def stand_alone() -> None:
    """Keep the caller's proxies and AWS settings from this process and all that it starts.

    Nothing of it asks, either, whether this machine is an instance of EC2.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("no_proxy", "NO_PROXY"):  # which of them counts differs from library to library
        os.environ[name] = f"127.0.0.1,{os.environ.get(name, '')}".rstrip(",")


class Running:
    """One program, with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only whoever ends it."""
        self.log = log
        self.name = log.stem
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
            self.check()
            if time.monotonic() > deadline:
                self._fail(f"was not ready after {patience_s:.0f} s")
            time.sleep(0.05)

    def check(self) -> None:
        """Make sure that it has not ended.

        Raises:
            StartFailed: it has.
        """
        if not self.alive:
            self._fail(f"ended with code {self._process.returncode}")

    def wait_for_end(self, patience_s: float = PATIENCE_S) -> int:
        """Wait until it ends by itself; answers its exit code."""
        return self._process.wait(patience_s)

    def tail(self, lines: int = 20) -> str:
        """Show the end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self, number: int = signal.SIGTERM, patience_s: float = 20) -> int:
        """Send it a signal and wait; after `patience_s` it is killed. Answers its exit code."""
        self.tell(number)
        return self.let_end(patience_s)

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, unless it has ended."""
        self._process.send_signal(number)

    def let_end(self, patience_s: float = 20) -> int:
        """Wait until it ends; after `patience_s` it is killed. Answers its exit code."""
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._process.wait()

    def _fail(self, what: str) -> NoReturn:
        text = f"{self.name} {what}:\n{self.tail()}"
        raise StartFailed(text)


def free_ports(count: int) -> list[int]:
    """Find ports on loopback that nobody uses, others at each call and in each process."""
    return list(itertools.islice(FREE, count))


def is_free(port: int) -> bool:
    """Tell whether a port on loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bound(probe, port)


def sockets_of(*ports: int) -> list[Path]:
    """List the sockets of SeaweedFS for these ports; when it is killed, it leaves them."""
    numbers = {f"{number}" for port in ports for number in (port, port + SEAWEED_ADDS)}
    return [it for it in SOCKETS.glob("seaweedfs-*.sock") if it.stem.rpartition("-")[2] in numbers]


def is_clear(port: int, user: int) -> bool:
    """Tell whether a user's SeaweedFS can make its sockets for a port: others' are in its way."""
    with contextlib.suppress(FileNotFoundError):  # another has just removed its own: look elsewhere
        return all(it.lstat().st_uid == user for it in sockets_of(port))
    return False


def _free() -> Iterator[int]:
    """Go through blocks of ports; a process keeps a block to itself by holding its first port."""
    with contextlib.ExitStack() as held:
        user = os.geteuid()
        for first in PORTS[::BLOCK]:
            if _bound(held.enter_context(socket.socket()), first):
                block = range(first + 1, first + BLOCK)
                for it in block:
                    if is_free(it) and is_free(it + SEAWEED_ADDS) and is_clear(it, user):
                        yield it


def _bound(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


FREE = _free()
