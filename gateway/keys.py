"""Nobody gets past without the key, whatever the path; only the open calls are open."""

import hashlib
import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import Problem, answer

HEADER = "X-API-Key"
BEARER = "bearer "
MAIN = "main"  # whose jobs are those of API_SECRET_KEY


class RequireKey:
    """ASGI middleware that compares the key, in constant time, with the secret.

    The key comes as `X-API-Key`, or as `Authorization: Bearer`, as the clients of OpenAI send it.
    """

    def __init__(self, app: ASGIApp, secret: SecretStr, open_paths: frozenset[str]) -> None:
        """Keep only the secret's hash, so that lengths do not matter to the comparison."""
        self.app = app
        self._digest = digest(secret.get_secret_value())
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        problem = self.refusal(scope) if scope["type"] == "http" else None
        if problem:
            await answer(problem, scope["request_id"])(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def refusal(self, scope: Scope) -> Problem | None:
        """Say why a request does not get in; None where it does."""
        if scope["path"] in self._open_paths:
            return None
        key = sent_key(Headers(scope=scope))
        challenge = {"WWW-Authenticate": f'ApiKey realm="wan22", header="{HEADER}", Bearer'}
        if key is None:
            message = f"Send the header {HEADER} with the API_SECRET_KEY of this service."
            return Problem.of("key_missing", message, headers=challenge)
        if not hmac.compare_digest(digest(key), self._digest):
            message = "The key that was sent is not the API_SECRET_KEY of this service."
            return Problem.of("key_wrong", message, headers=challenge)
        scope["key_id"] = MAIN
        return None


def sent_key(headers: Headers) -> str | None:
    """Find the key in the head of a request; None without one."""
    if (key := headers.get(HEADER)) is not None:
        return key
    authorization = headers.get("authorization", "")
    is_bearer = authorization[: len(BEARER)].lower() == BEARER
    return authorization[len(BEARER) :].strip() if is_bearer else None


def digest(key: str) -> bytes:
    """Hash a key; header values arrive as Latin-1 text, so every one can be hashed."""
    return hashlib.sha256(key.encode("utf-8")).digest()
