"""Callers who wait for an answer, many at a time and without a thread each."""

import json
import select
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

from calling import Calling


class Heard(NamedTuple):
    """One event; `number` is its id, 0 without one."""

    number: int
    name: str
    data: Any


class Waiting:
    """One request whose answer, or the rest of it, has not come yet."""

    def __init__(self, api: Calling, path: str, headers: Mapping[str, str]) -> None:
        """Send it, and do not wait; in HTTP/1.0 an answer is not cut into chunks."""
        self._socket = socket.create_connection(("127.0.0.1", api.stack.port), timeout=60)
        lines = {"X-API-Key": api.stack.key, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"GET {path} HTTP/1.0\r\n{head}\r\n".encode())
        self._heard = b""

    @property
    def quiet(self) -> bool:
        """Whether nothing has come that was not read."""
        return not select.select([self._socket], [], [], 0)[0]

    def until(self, words: bytes) -> None:
        """Read until something was said."""
        while words not in self._heard:
            piece = self._socket.recv(65536)
            assert piece, self._heard
            self._heard += piece

    def some(self, size: int) -> None:
        """Read so many bytes, and break it off, wherever that is; less if it ends before."""
        while size and (piece := self._socket.recv(size)):
            self._heard += piece
            size -= len(piece)
        self._socket.close()

    def rest(self) -> str:
        """Read to the end."""
        while piece := self._socket.recv(65536):
            self._heard += piece
        self._socket.close()
        return self._heard.decode()

    def events(self) -> list[Heard]:
        """List the events that came whole."""
        _, _, body = self._heard.decode(errors="replace").partition("\r\n\r\n")
        found = [parsed(block) for block in body.split("\n\n")[:-1]]
        return [
            Heard(int(of.get("id", 0)), of["event"], json.loads(of["data"]))
            for of in found
            if "event" in of
        ]


def parsed(block: str) -> dict[str, str]:
    """Read the fields of an event."""
    return {name: value for name, _, value in (line.partition(": ") for line in block.splitlines())}
