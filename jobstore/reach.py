"""Where a fetch may go: to which URLs, and, once a name is looked up, to which addresses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Self

import httpx2

from jobstore.addresses import Address, Network, is_public
from jobstore.errors import FetchRefused

PORTS: Mapping[str, int] = MappingProxyType({"https": 443, "http": 80})
URL_LIMIT = 2048  # characters
PLAIN = re.compile(
    r"https?://"
    r"(\[[0-9a-f:.]+\]|[^][/?#@:\\\s\x00-\x1f\x7f]+)"
    r"(:[0-9]{0,5})?"
    r"([/?#][^\\\s\x00-\x1f\x7f]*)?",
    re.IGNORECASE,
)
"""A URL that all programs read alike: nobody is named in it, its port is digits, and no space,
control character or backslash stands anywhere."""
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", re.IGNORECASE)
NUMBER = re.compile(r"([^:]*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
"""A host that the system may read as an IPv4 address; only one way of writing it is taken.

Source:
    WHATWG URL Standard, "ends in a number checker".
"""


@dataclass(frozen=True)
class Exempt:
    """A network of our own where fetches may go, on one port of it, or else on the usual ones."""

    network: Network
    port: int | None = None


@dataclass(frozen=True)
class Reach:
    """Where fetches may go: the internet's addresses, on one port for each scheme, and exemptions.

    Connections are made over IPv4. An address of IPv6 does not tell a neighbour from a stranger:
    machines of one private network have addresses of the internet there. All that a name has are
    checked, though, and one that is nobody's business makes the whole name suspicious.

    Without `public`, only exemptions can be reached.
    """

    ports: Mapping[str, int]
    exempt: tuple[Exempt, ...] = ()
    public: bool = True

    @classmethod
    def over(cls, *, http: bool, exempt: tuple[Exempt, ...] = ()) -> Self:
        """Reach the internet over https, and over http only if that is wanted."""
        schemes = ("https", "http") if http else ("https",)
        return cls({scheme: PORTS[scheme] for scheme in schemes}, exempt)

    @classmethod
    def within(cls, exempt: tuple[Exempt, ...]) -> Self:
        """Reach networks of our own alone, over http, which never goes out to the internet."""
        return cls({"http": PORTS["http"]}, exempt, public=False)

    def url(self, text: str) -> httpx2.URL:
        """Check a URL by what it says; what its name means is checked when it is connected to.

        Raises:
            FetchRefused: it is none, or not of a kind that is fetched.
        """
        if len(text) > URL_LIMIT:
            raise FetchRefused("url", "too long")
        if not PLAIN.fullmatch(text):
            raise FetchRefused("url", "not plain")
        try:
            url = httpx2.URL(text)
        except (httpx2.InvalidURL, ValueError) as error:
            raise FetchRefused("url", type(error).__name__) from error
        self._check(url)
        return url

    def _check(self, url: httpx2.URL) -> None:
        if url.scheme not in self.ports:
            raise FetchRefused("scheme")
        host = url.raw_host.decode("ascii")
        if not HOST.fullmatch(host) or (NUMBER.fullmatch(host) and not is_ipv4(host)):
            raise FetchRefused("url", "host")
        port, usual = port_of(url), self.ports[url.scheme]
        exempt = {usual if each.port is None else each.port for each in self.exempt}
        if port not in exempt and not (self.public and port == usual):
            raise FetchRefused("port", port)

    def choose(self, addresses: list[Address], port: int) -> list[Address]:
        """Check all addresses of a name, and choose those that may be connected to.

        Raises:
            FetchRefused: one of them is not public, or none of them can be used.
        """
        chosen = []
        for address in addresses:
            exempt = self._exempts(address, port)
            public = self.public and is_public(address) and port in self.ports.values()
            if not exempt and not public:
                raise FetchRefused("address", address)
            if exempt or isinstance(address, IPv4Address):
                chosen.append(address)
        if not chosen:
            raise FetchRefused("address", "none of IPv4")
        return chosen

    def _exempts(self, address: Address, port: int) -> bool:
        return any(
            address in each.network
            and (port == each.port or (each.port is None and port in self.ports.values()))
            for each in self.exempt
        )


def is_ipv4(host: str) -> bool:
    """Tell whether a host is an IPv4 address as everybody writes it."""
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def port_of(url: httpx2.URL) -> int:
    """Tell the port of a URL, which is not in it if it is the usual one."""
    return PORTS[url.scheme] if url.port is None else url.port
