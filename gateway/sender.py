"""Who sent a request, and whether it may have come before."""

import re
from dataclasses import dataclass

from starlette.requests import Request

from gateway.problems import Problem

KEY = r"[\x21-\x7e]{1,255}"
COUNT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Sender:
    """Whose key it was, how to know the request again, and how it came.

    `retried`: a client library says that it sends the request again by itself.
    """

    key_id: str
    idempotency_key: str | None = None
    retried: bool = False
    source: str = "rest"


def sender_of(request: Request) -> Sender:
    """Read who sent a request.

    Raises:
        Problem: `idempotency_key_wrong`.

    Source:
        The clients of OpenAI and those made with Stainless count in `x-stainless-retry-count`.
    """
    retried = bool(COUNT.fullmatch(request.headers.get("x-stainless-retry-count", "")))
    return Sender(request.scope["key_id"], idempotency_key(request), retried)


def idempotency_key(request: Request) -> str | None:
    """Read `Idempotency-Key`, quoted or bare; None without one.

    Raises:
        Problem: `idempotency_key_wrong`.
    """
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not re.fullmatch(KEY, key):
        message = "Idempotency-Key is 1 to 255 visible ASCII characters, a new one for each job."
        raise Problem.of("idempotency_key_wrong", message)
    return key
