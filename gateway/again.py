"""What a caller says about a request that may come more than once: two headers."""

import re

from starlette.requests import Request

from gateway.problems import Problem

KEY = re.compile(r"[\x21-\x7e]{1,255}")
COUNT = re.compile(r"[1-9][0-9]{0,8}")


def idempotency_key(request: Request) -> str | None:
    """Read `Idempotency-Key`, quoted or bare; None without one.

    Raises:
        Problem: `idempotency_key_wrong`.
    """
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not KEY.fullmatch(key):
        message = "Idempotency-Key is 1 to 255 visible ASCII characters, a new one for each job."
        raise Problem.of("idempotency_key_wrong", message)
    return key


def is_retried(request: Request) -> bool:
    """Tell whether a client library says that it sends this request again by itself.

    Source:
        The clients of OpenAI and those made with Stainless count in `x-stainless-retry-count`.
    """
    return bool(COUNT.fullmatch(request.headers.get("x-stainless-retry-count", "")))
