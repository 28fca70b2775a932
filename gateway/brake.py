"""Whoever tries keys that are wrong is slowed down, more with each."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FORGOTTEN_S = 30.0  # after which one wrong key does not count any more
FIRST_S, MOST_S = 0.25, 5.0  # that the answer to a wrong key is held back; it doubles with each
HELD_MOST = 20  # answers to one address at a time; with 5 s each that is 4 keys tried in a second
ADDRESSES = 10_000  # that are remembered
IPV6_PREFIX = 64  # one customer of a provider has all addresses below it (RFC 6177)


@dataclass
class Tried:
    """What came from one address: wrong keys that still count, and answers that are held back."""

    count: float = 0.0
    at: float = 0.0
    held: int = 0


class Brake:
    """Holds back the answers to wrong keys, so that guessing takes time.

    While as many answers to an address are held back as may be, no key from there is looked at at
    all: otherwise many connections would be as fast as ever.
    """

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Answer so many wrong keys of an address at once; `clock` gives seconds."""
        self._free = free
        self._clock = clock
        self._tried: OrderedDict[str, Tried] = OrderedDict()

    def is_full(self, address: str) -> bool:
        """Tell whether no key from an address is to be looked at now."""
        tried = self._tried.get(network(address))
        return tried is not None and tried.held >= HELD_MOST

    async def hold(self, address: str) -> None:
        """Count a wrong key, and wait for as long as its answer is to be held back."""
        with self.holding(address) as wait_s:
            await asyncio.sleep(wait_s)

    @contextlib.contextmanager
    def holding(self, address: str) -> Iterator[float]:
        """Count a wrong key, and one answer more that is held back; gives for how many seconds."""
        now = self._clock()
        tried = self._tried.setdefault(network(address), Tried(at=now))
        self._tried.move_to_end(network(address))
        if len(self._tried) > ADDRESSES:
            self._tried.popitem(last=False)
        tried.count = max(0.0, tried.count - (now - tried.at) / FORGOTTEN_S) + 1
        tried.at = now
        over = min(int(tried.count) - self._free, 30)  # far beyond the most
        tried.held += 1
        try:
            yield min(FIRST_S * 2 ** (over - 1), MOST_S) if over > 0 else 0.0
        finally:
            tried.held -= 1


def network(address: str) -> str:
    """Tell what an address counts as; one that is none counts as it is written."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if isinstance(found, IPv6Address):
        return str(IPv6Address(int(found) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)))
    return str(found)
