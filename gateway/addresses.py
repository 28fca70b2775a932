"""Which addresses HOST means, whether others can reach them, and the sockets that listen there."""

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

from jobstore.errors import Wan22Error

Address = tuple[Any, ...]
Resolve = Callable[..., Sequence[tuple[Any, ...]]]
BACKLOG = 128


class CannotListen(Wan22Error):
    """The address cannot be listened on: set another HOST or PORT, or end what listens there."""


def resolved(host: str, port: int, resolve: Resolve = socket.getaddrinfo) -> list[Address]:
    """Find all addresses of a host, as `bind` takes them.

    Raises:
        OSError: there is none.
    """
    found = resolve(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(address for *_, address in found))


def is_public(address: Address) -> bool:
    """Tell whether others can reach an address: all but loopback, a private network too."""
    return not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback


def listen(host: str, port: int, *, public: bool) -> list[socket.socket]:
    """Listen on all addresses of a host; the sockets do not block.

    Args:
        host: a name or an address of this machine.
        port: a port of it.
        public: whether others may reach it; what the name means is looked at once more here.

    Raises:
        CannotListen: and why.
    """
    try:
        with contextlib.ExitStack() as unless_all_listen:
            listeners = [
                unless_all_listen.enter_context(listener_at(address, public=public))
                for address in resolved(host, port)
            ]
            unless_all_listen.pop_all()
    except OSError as error:
        message = f"Nothing can listen at {host}, port {port}: {(error.strerror or '').lower()}."
        raise CannotListen(message) from error
    return listeners


def listener_at(address: Address, *, public: bool) -> socket.socket:
    """Listen on one address.

    Raises:
        OSError: and why not.
    """
    if is_public(address) and not public:
        raise OSError(errno.EACCES, "the name means a public address now")
    family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
    listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.settimeout(0)
    return listener


def url(scheme: str, host: str, port: int) -> str:
    """Write where a service is; an IPv6 address stands in brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
