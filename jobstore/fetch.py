"""Fetching from strangers' URLs, and sending to them, without going where they have no business."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore2
import httpx2
from structlog.stdlib import get_logger

from jobstore.allowance import Allowance
from jobstore.errors import FetchRefused
from jobstore.guard import Guard
from jobstore.names import Names
from jobstore.reach import Reach, port_of

log = get_logger()

OK = 200
REDIRECTS = frozenset({301, 302, 303, 307, 308})
FRAMES = 8  # one byte in so many may be what TLS and chunks add to a body
PIECES_LIMIT = 1 << 16  # of a body: each costs time of ours, however small it is
DETAIL_LIMIT = 200  # characters
HEADERS = (
    (b"Accept-Encoding", b"identity"),  # few bytes from the wire could be many otherwise
    (b"Connection", b"close"),
    (b"User-Agent", b"wan22"),
)
ACCEPT = (b"Accept", b"image/png, image/jpeg, image/webp, */*;q=0.1")
SEND_S = 10.0  # for all of sending: the name, the connection, TLS, and the head of the answer
BROKEN = (
    OSError,
    ValueError,
    httpx2.InvalidURL,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
)
"""What goes wrong with a URL, a connection, TLS or HTTP, and is nobody's mistake here."""


@dataclass(frozen=True)
class Terms:
    """What is fetched, and what it may cost.

    Media types are compared by their beginnings, and nothing is refused for having none: in S3,
    pictures often have the type of any bytes. What it is, its bytes decide.
    """

    media_types: tuple[str, ...]
    limit_bytes: int
    deadline_s: float = 20
    redirects: int = 3


PICTURE = Terms(("image/", "application/octet-stream", "binary/octet-stream"), 10 << 20)


class Fetcher:
    """Fetches from anybody's URLs; for any number of threads at once."""

    def __init__(
        self, reach: Reach, names: Names | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Take where it may go, what looks names up, and whose certificates count."""
        self._reach = reach
        self._names = names or Names()
        self._tls = tls or httpcore2.default_ssl_context()

    def fetch(self, url: str, terms: Terms = PICTURE) -> bytes:
        """Fetch what a URL leads to; blocks for `deadline_s` at most, in all.

        Raises:
            FetchRefused: it cannot be had; the log has the reason, the caller is not told.
        """
        allowance = Allowance(terms.deadline_s)
        site, left = "", terms.redirects
        try:
            place = self._reach.url(url)
            while True:
                site = f"{place.scheme}://{place.netloc.decode('ascii')}"
                with self._answer(place, allowance, "GET", (ACCEPT, *HEADERS)) as answer:
                    if answer.status not in REDIRECTS:
                        return take(answer, terms, allowance)
                    place = self._reach.url(target(place, answer, left))
                left -= 1
        except FetchRefused as error:
            log.info("fetch.refused", site=site, reason=error.reason, detail=error.detail)
            raise

    def send(
        self, url: str, content: bytes, headers: Mapping[str, str], deadline_s: float = SEND_S
    ) -> int:
        """Send bytes to a URL and tell the status of the answer, whose body is left unread.

        A redirect is a status like others: nobody follows it.

        Raises:
            FetchRefused: no answer can be had from there; it holds the reason, for the log.
        """
        fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        fields.append((b"Content-Length", b"%d" % len(content)))
        allowance, place = Allowance(deadline_s), self._reach.url(url)
        with self._answer(place, allowance, "POST", (*HEADERS, *fields), content) as answer:
            return answer.status

    def client(self, allowance: Allowance) -> httpcore2.ConnectionPool:
        """Open a client for one exchange, which goes only where it may, as long as it may.

        It knows nothing of proxies, cookies, passwords, redirects and compression.
        """
        guard = Guard(self._reach, self._names, allowance)
        return httpcore2.ConnectionPool(ssl_context=self._tls, network_backend=guard)

    @contextmanager
    def _answer(
        self,
        place: httpx2.URL,
        allowance: Allowance,
        method: str,
        headers: tuple[tuple[bytes, bytes], ...],
        content: bytes | None = None,
    ) -> Iterator[httpcore2.Response]:
        """Ask one server; whatever breaks on the way is a refusal."""
        url = httpcore2.URL(
            scheme=place.raw_scheme,
            host=place.raw_host,
            port=port_of(place),
            target=place.raw_path,
        )
        fields = [(b"Host", place.netloc), *headers]
        try:
            with (
                self.client(allowance) as client,
                client.stream(method, url, headers=fields, content=content) as answer,
            ):
                yield answer
        except TimeoutError as error:
            raise FetchRefused("slow") from error
        except BROKEN as error:
            detail = f"{type(error).__name__}: {error}"
            raise FetchRefused("broken", detail[:DETAIL_LIMIT]) from error


def target(place: httpx2.URL, answer: httpcore2.Response, left: int) -> str:
    """Find where a redirect leads, while there are any left."""
    if not left:
        raise FetchRefused("redirects")
    places = [value for name, value in answer.headers if name.lower() == b"location"]
    if len(places) != 1:
        raise FetchRefused("redirects", f"to {len(places)} places")
    return str(place.join(places[0].decode("utf-8")))


def take(answer: httpcore2.Response, terms: Terms, allowance: Allowance) -> bytes:
    """Take the body of an answer, all of it or nothing."""
    if answer.status != OK:
        raise FetchRefused("status", answer.status)
    fields = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
    if b"content-encoding" in fields:
        raise FetchRefused("compressed")
    media_type = fields.get(b"content-type", "").strip().lower()
    if media_type and not media_type.startswith(terms.media_types):
        raise FetchRefused("media_type", media_type[:DETAIL_LIMIT])
    if int(fields.get(b"content-length", 0)) > terms.limit_bytes:
        raise FetchRefused("large")
    return read(answer, terms.limit_bytes, allowance)


def read(answer: httpcore2.Response, limit_bytes: int, allowance: Allowance) -> bytes:
    """Read a body as it comes, and stop as soon as it is too large."""
    allowance.allow(limit_bytes + limit_bytes // FRAMES)
    body = bytearray()
    for count, piece in enumerate(answer.iter_stream()):
        body += piece
        if len(body) > limit_bytes or count > PIECES_LIMIT:
            raise FetchRefused("large")
    return bytes(body)
