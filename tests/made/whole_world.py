"""A world in which every address of the internet, and every other, is this machine's.

Run in a network of its own (`unshare --map-root-user --net`), so that whatever connects to
anywhere arrives here, and is seen with the address and port it was meant for.
"""

import contextlib
import fcntl
import http.client
import json
import select
import socket
import ssl
import struct
import sys
import threading
import urllib.parse
import urllib.request
from ipaddress import IPv6Address, ip_address

import httpx2
import trustme

from jobstore import logs
from jobstore.addresses import Address
from jobstore.errors import FetchRefused
from jobstore.fetch import Fetcher, Terms
from jobstore.names import Names
from jobstore.reach import PORTS, Reach
from spellings import GOOD, NAMES, PUBLIC, spellings

Arrival = tuple[str, int]

WATCHED = (22, 80, 443, 6379, 8080)
MARK = "192.0.2.254"  # connected to by the test itself, to know that all before it were seen
PICTURE = b"\x89PNG as far as anybody here looks"
TERMS = Terms(("image/",), 1 << 20, deadline_s=5)
PATIENCE_S = 5


def own_everything() -> None:
    """Switch the loopback on, and make all addresses local to it.

    Source:
        linux/rtnetlink.h: RTM_NEWROUTE with a route of type `local` for the whole space, as
        `ip route add local 0.0.0.0/0 dev lo` would send it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            route = struct.pack("=8BI", family, 0, 0, 0, 255, 4, 254, 2, 0)
            through = struct.pack("=HHI", 8, 4, socket.if_nametoindex("lo"))
            size = 16 + len(route) + len(through)
            head = struct.pack("=IHHII", size, 24, 0x1 | 0x4 | 0x400, 1, 0)
            netlink.send(head + route + through)
            error = struct.unpack("=i", netlink.recv(4096)[16:20])[0]
            assert error == 0, f"no route for family {family}: {error}"


class World:
    """Listens everywhere, redirects `/?to=URL`, and answers anything else with a picture."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._seen: list[Arrival] = []
        self._marked = threading.Semaphore(0)
        self._listeners = [listen(port) for port in WATCHED]
        threading.Thread(target=self._serve, daemon=True).start()

    def arrivals(self) -> list[Arrival]:
        """Tell who came since the last time; none is still on the way."""
        for port in WATCHED:
            socket.create_connection((MARK, port), PATIENCE_S).close()
            assert self._marked.acquire(timeout=PATIENCE_S)
        seen, self._seen = self._seen, []
        return seen

    def _serve(self) -> None:
        while True:
            for listener in select.select(self._listeners, [], [])[0]:
                guest, _ = listener.accept()
                guest.settimeout(PATIENCE_S)
                self._meet(guest)

    def _meet(self, guest: socket.socket) -> None:
        wanted = IPv6Address(guest.getsockname()[0].partition("%")[0])
        address, port = str(wanted.ipv4_mapped or wanted), guest.getsockname()[1]
        if address == MARK:
            guest.close()
            self._marked.release()
            return
        self._seen.append((address, port))
        with contextlib.suppress(OSError, ValueError, IndexError), guest:
            if port == PORTS["https"]:
                with self._tls.wrap_socket(guest, server_side=True) as secure:
                    answer(secure)
            elif port == PORTS["http"]:
                answer(guest)


def listen(port: int) -> socket.socket:
    """Listen at a port of every address of both families."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(100)
    return listener


def answer(guest: socket.socket) -> None:
    """Answer one request."""
    path = guest.recv(65536).split(b" ")[1].decode()
    to = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True).get("to")
    if to:
        place = to[0].encode(errors="surrogatepass").replace(b"\0", b"").replace(b"\r\n", b"")
        guest.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\n\r\n")
    else:
        size = str(len(PICTURE)).encode()
        guest.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: " + size)
        guest.sendall(b"\r\n\r\n" + PICTURE)


def resolve(host: str) -> list[str]:
    """Look a name up in our own list; the system reads numbers, as it would anywhere."""
    if found := NAMES.get(host.lower().rstrip(".")):
        return found
    if host.lower().rstrip(".") == "localhost":
        return ["127.0.0.1", "::1"]
    numeric = socket.getaddrinfo(host.encode(), None, flags=socket.AI_NUMERICHOST)
    return [str(where[0]) for *_, where in numeric]


class AnyUrl(Reach):
    """The check of URLs taken away: only that of addresses is left."""

    def url(self, text: str) -> httpx2.URL:
        url = httpx2.URL(text)
        if url.scheme not in PORTS:
            raise FetchRefused("scheme")
        return url


class Anywhere(AnyUrl):
    """That one taken away too."""

    def choose(self, addresses: list[Address], _port: int) -> list[Address]:
        return addresses


def reason(fetcher: Fetcher, url: str) -> str | None:
    """Fetch, and tell why not."""
    try:
        fetcher.fetch(url, TERMS)
    except FetchRefused as error:
        return error.reason
    except (httpx2.InvalidURL, OverflowError):
        return "invalid"
    return None


def carelessly(fetcher: Fetcher, url: str) -> None:
    """Fetch as a client would that knows no danger: ours without its guard, then Python's own."""
    reason(fetcher, url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # Whatever it makes of such a URL, it is only here to arrive.
    with contextlib.suppress(OSError, ValueError, EOFError, http.client.HTTPException):
        urllib.request.urlopen(url, timeout=PATIENCE_S, context=context).close()


def rebound(world: World, tls: ssl.SSLContext) -> dict[str, object]:
    """Fetch by a name whose first answer is good, and every other is not."""
    asked: list[str] = []

    def resolver(host: str) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    url = f"https://{GOOD}/"
    guarded = Fetcher(Reach.over(http=True), Names(resolver), tls)
    found: dict[str, object] = {"reason": reason(guarded, url), "asked": list(asked)}
    found["arrived"] = world.arrivals()
    asked.clear()
    found["reason then"] = reason(guarded, f"{url}?to={url}")
    found["arrived then"] = world.arrivals()
    # What others do: they look the name up, check it, and then connect to the name.
    asked.clear()
    Reach.over(http=True).choose([ip_address(each) for each in resolver(GOOD)], 443)
    reason(Fetcher(Anywhere(PORTS), Names(resolver), tls), url)
    return found | {"carelessly": world.arrivals()}


def tried(world: World, tls: ssl.SSLContext, url: str) -> dict[str, object]:
    """Try one spelling in each way, and tell who arrived."""
    names = Names(resolve)
    guarded = Fetcher(Reach.over(http=True), names, tls)
    through = f"https://{GOOD}/?" + urllib.parse.urlencode({"to": url})
    found: dict[str, object] = {"url": url, "reason": reason(guarded, url)}
    found["directly"] = world.arrivals()
    reason(guarded, through)
    found["redirected"] = world.arrivals()
    reason(Fetcher(AnyUrl(PORTS), names, tls), url)
    found["by address"] = world.arrivals()
    carelessly(Fetcher(Anywhere(PORTS), names, tls), url)
    found["carelessly"] = world.arrivals()
    return found


def main() -> None:
    """Try everything, and tell who arrived."""
    logs.configure("test", sys.stderr)
    own_everything()
    authority = trustme.CA()
    server, tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(GOOD, "both.example", PUBLIC).configure_cert(server)
    authority.configure_trust(tls)
    world = World(server)
    good = {}
    for url in (
        f"https://{GOOD}/",
        f"http://{GOOD}/",
        f"https://{PUBLIC}/",
        "https://both.example/",
    ):
        fetcher = Fetcher(Reach.over(http=True), Names(resolve), tls)
        good[url] = [fetcher.fetch(url, TERMS) == PICTURE, world.arrivals()]
    everything = [tried(world, tls, url) for url in spellings()]
    told = {"good": good, "spellings": everything, "rebound": rebound(world, tls)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
