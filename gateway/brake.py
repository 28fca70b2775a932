"""Whoever tries keys that are wrong is slowed down, more with each; a right key never waits."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FREE = 10  # wrong keys that are answered at once
FORGOTTEN_S = 30.0  # after which one of them does not count any more
FIRST_S, MOST_S = 0.5, 30.0  # between the answers to two wrong keys; it doubles with each
ADDRESSES = 10_000  # that are remembered
IPV6_PREFIX = 64  # one customer of a provider has all addresses below it (RFC 6177)


@dataclass
class Tried:
    """What one address has tried: wrong keys that still count, and when it is answered next."""

    count: float = 0.0
    at: float = 0.0
    free_at: float = 0.0


class Brake:
    """Tells how long the answer to a wrong key is to wait.

    All answers to one address stand in one row, so that many connections are no faster than one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet; `clock` gives seconds that never go back."""
        self._clock = clock
        self._tried: OrderedDict[str, Tried] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Count a wrong key; answers how many seconds it has to wait for its answer."""
        now = self._clock()
        tried = self._tried.setdefault(network(address), Tried(at=now))
        self._tried.move_to_end(network(address))
        if len(self._tried) > ADDRESSES:
            self._tried.popitem(last=False)
        tried.count = max(0.0, tried.count - (now - tried.at) / FORGOTTEN_S) + 1
        tried.at = now
        over = math.ceil(tried.count) - FREE
        if over <= 0:
            return 0.0
        step_s = MOST_S if over > math.log2(MOST_S / FIRST_S) else FIRST_S * 2 ** (over - 1)
        tried.free_at = max(now, tried.free_at) + step_s
        return tried.free_at - now


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
