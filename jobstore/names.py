"""Names become addresses, in threads that a slow name server may keep, but never too many of."""

import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from ipaddress import ip_address

from jobstore.addresses import Address
from jobstore.allowance import Allowance
from jobstore.errors import FetchRefused

Resolver = Callable[[str], Iterable[str]]
"""Gives the addresses of a name, as text; OSError or ValueError if there are none."""

THREADS_MOST = 8  # that wait for the system's resolver, which cannot be told to stop


def system_resolver(host: str) -> list[str]:
    """Ask the system, as bytes: Python would treat a text as a name in Unicode once more."""
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


class Names:
    """Looks names up, and never for longer than there is time."""

    def __init__(
        self, resolver: Resolver = system_resolver, threads_most: int = THREADS_MOST
    ) -> None:
        """Take the resolver that is asked, and the number of threads it may keep."""
        self._resolver = resolver
        self._threads = threading.BoundedSemaphore(threads_most)

    def addresses(self, host: str, allowance: Allowance) -> list[Address]:
        """Find all addresses of a host, by asking once.

        Raises:
            FetchRefused: it has none, or there is no time left, or no thread.
        """
        if not self._threads.acquire(timeout=allowance.seconds()):
            raise FetchRefused("name", "no thread is free")
        answer: Future[list[str]] = Future()
        try:
            self._begin(host, answer)
            found = answer.result(timeout=allowance.seconds())
            return [ip_address(address) for address in found]
        except TimeoutError as error:
            raise FetchRefused("name", "no answer") from error
        except (OSError, ValueError) as error:
            raise FetchRefused("name", error) from error

    def _begin(self, host: str, answer: Future[list[str]]) -> None:
        # A daemon: one that hangs must not keep the process from ending.
        asking = threading.Thread(target=self._ask, args=(host, answer), daemon=True)
        try:
            asking.start()
        except RuntimeError as error:  # the system has no thread to give
            self._threads.release()
            raise FetchRefused("name", error) from error

    def _ask(self, host: str, answer: Future[list[str]]) -> None:
        try:
            answer.set_result(list(self._resolver(host)))
        except (OSError, ValueError) as error:
            answer.set_exception(error)
        finally:
            self._threads.release()
