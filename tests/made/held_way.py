"""A way to a server on loopback that holds an upload in its middle, until it is let go on."""

import contextlib
import socket
from collections.abc import Callable
from threading import Event, Thread

PASSES_BYTES = 1 << 20  # of each connection, until it is held
PIECE_BYTES = 64 << 10


class HeldWay:
    """A proxy: `held` is set once an upload has stopped in it, and `go_on` lets it finish."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.held, self.go_on = Event(), Event()
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._to)
                Thread(target=pipe, args=(near, self._slowly(far)), daemon=True).start()
                Thread(target=pipe, args=(far, near.sendall), daemon=True).start()

    def _slowly(self, far: socket.socket) -> Callable[[bytes], None]:
        """Make what passes on the pieces of one upload."""
        passed = 0

        def send(piece: bytes) -> None:
            nonlocal passed
            if passed > PASSES_BYTES:
                self.held.set()
                self.go_on.wait()
            passed += len(piece)
            far.sendall(piece)

        return send


def pipe(source: socket.socket, send: Callable[[bytes], None]) -> None:
    """Pass on what comes, until one side has hung up."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            send(piece)
