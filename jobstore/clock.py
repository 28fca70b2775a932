"""The one place that asks for the time; everything else takes it as a parameter."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Tell the time as the store keeps it: integer milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def moment(at: int) -> datetime:
    """Turn a stored time (milliseconds since 1970, UTC) into a date with its zone."""
    return datetime.fromtimestamp(at / 1000, UTC)


def text(at: int) -> str:
    """Write a stored time as RFC 3339 with milliseconds, as the API shows it."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
