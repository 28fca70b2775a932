"""How slow a caller may be, and how many may come: bounds that no honest caller meets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """What the listener puts up with; tests bring shorter ones.

    Attributes:
        greeting_s: from the first packet of a connection until its TLS handshake is over.
        head_s: until the head of a request is whole, from its first byte; with a new connection,
            from its beginning. It fits into one or two packets.
        body_window_s, body_window_bytes: while a body comes, so many bytes in each window: 4 KiB a
            second, 16 MiB within 70 minutes. Only the time in which we wait for it counts.
        unread_s: how long nobody may read an answer that is more than 64 KiB behind.
        linger_s: for the rest of a body that is not wanted any more, so that its sender comes to
            reading our answer; hanging up at once could destroy it.
        keep_alive_s: how long a connection may be idle between two requests; longer than the 60 s
            of the usual proxies, so that it is they who hang up.
        connections: open at one time, so that there are always files left below the usual limit
            of 1024; when all are taken, the one that has been without a request for longest goes.
        requests: at one time; more are answered with 503. Half of the connections, so that there
            is always one that can go.

    Source:
        A head of 20 s and a rate of 500 bytes a second are the defaults of Apache
        (httpd.apache.org, mod_reqtimeout); ours are stricter since all our callers are programs.
        60 s is the idle timeout of Application Load Balancers (docs.aws.amazon.com). That the
        longest idle connection goes first is nginx's way (ngx_connection.c, ngx_drain_connections).
    """

    greeting_s: float = 10
    head_s: float = 10
    body_window_s: float = 20
    body_window_bytes: int = 80 << 10
    unread_s: float = 60
    linger_s: float = 10
    keep_alive_s: int = 65
    connections: int = 512
    requests: int = 256
