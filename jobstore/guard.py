"""Connections that lead nowhere but where they may; what comes over them is counted and timed."""

import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import httpcore2

from jobstore.addresses import Address
from jobstore.allowance import Allowance
from jobstore.errors import FetchRefused
from jobstore.names import Names
from jobstore.reach import Reach

Result = TypeVar("Result")

ADDRESSES_MOST = 4  # of one name that are tried; all are checked
HEAD_LIMIT_BYTES = 64 << 10  # for the handshake of TLS, interim answers and the head of the last
READ_BYTES = 16 << 10
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Guard(httpcore2.NetworkBackend):
    """Makes the connections of one fetch.

    A name is looked up here, once for each connection, and the connection is made to an address
    that was checked, not to the name: there is no second answer that could be another. The name
    stays what TLS compares the certificate with.
    """

    def __init__(self, reach: Reach, names: Names, allowance: Allowance) -> None:
        """Guard one fetch."""
        self._reach = reach
        self._names = names
        self._allowance = allowance

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> "Line":
        """Connect to a checked address of a host; the allowance says how long it may take.

        Raises:
            FetchRefused: there is none, or none that may be connected to, or none answers.
        """
        addresses = self._names.addresses(host, self._allowance)
        chosen = self._reach.choose(addresses, port)[:ADDRESSES_MOST]
        self._allowance.allow(HEAD_LIMIT_BYTES)
        return Line(connect(chosen, port, self._allowance), self._allowance)


def connect(addresses: list[Address], port: int, allowance: Allowance) -> socket.socket:
    """Connect to the first address that answers.

    Raises:
        FetchRefused: none does.
    """
    last: OSError | None = None
    for place, address in enumerate(addresses):
        patience_s = allowance.seconds() / (len(addresses) - place)
        sock = socket.socket(FAMILIES[address.version], socket.SOCK_STREAM)
        sock.settimeout(patience_s)
        try:
            sock.connect((str(address), port))
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise FetchRefused("connection", last) from last


class Line(httpcore2.NetworkStream):
    """One connection, as plain bytes."""

    def __init__(self, sock: socket.socket, allowance: Allowance) -> None:
        """Take over a connected socket."""
        self._sock = sock
        self._allowance = allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, as far as the allowance goes; nothing at the end."""
        most = self._allowance.bytes(min(max_bytes, READ_BYTES))
        self._sock.settimeout(self._allowance.seconds())
        content = self._sock.recv(most)
        self._allowance.spend(len(content))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        left = memoryview(buffer)
        while left:
            self._sock.settimeout(self._allowance.seconds())
            left = left[self._sock.send(left) :]

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "SecureLine":
        """Go on with TLS; the certificate is that of the name, whatever the address."""
        try:
            return SecureLine(self, ssl_context, server_hostname)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Tell nothing: HTTP/1.1 is spoken, and no connection is used twice."""
        return None


class SecureLine(httpcore2.NetworkStream):
    """The same under TLS, so that bytes and seconds are counted below it.

    Were the socket given to `ssl`, records that carry nothing would neither be seen nor timed.
    """

    def __init__(self, line: Line, context: ssl.SSLContext, name: str | None) -> None:
        """Shake hands."""
        self._line = line
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._perform(self._tls.do_handshake)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there; nothing once the other side has said that it was all."""
        try:
            return self._perform(lambda: self._tls.read(max_bytes))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._perform(lambda: self._tls.write(buffer))

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def get_extra_info(self, info: str) -> Any:
        """Tell nothing, as above."""
        return None

    def _perform(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._line.write(self._outgoing.read())
                self._receive()
            else:
                self._line.write(self._outgoing.read())
                return result

    def _receive(self) -> None:
        content = self._line.read(READ_BYTES)
        if content:
            self._incoming.write(content)
        else:
            self._incoming.write_eof()
