"""Nobody gets past without the key, whatever the path; only the open paths are open."""

import hashlib
import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import Problem, answer

HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/health"})


class RequireKey:
    """ASGI middleware that compares `X-API-Key`, in constant time, with the secret."""

    def __init__(self, app: ASGIApp, secret: SecretStr) -> None:
        """Keep only the secret's hash, so that lengths do not matter to the comparison."""
        self.app = app
        self._digest = digest(secret.get_secret_value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        problem = self.refusal(scope) if scope["type"] == "http" else None
        if problem:
            await answer(problem, scope["request_id"])(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def refusal(self, scope: Scope) -> Problem | None:
        """Say why a request does not get in; None where it does."""
        if scope["path"] in OPEN_PATHS:
            return None
        key = Headers(scope=scope).get(HEADER)
        challenge = {"WWW-Authenticate": f'ApiKey realm="wan22", header="{HEADER}"'}
        if key is None:
            message = f"Send the header {HEADER} with the API_SECRET_KEY of this service."
            return Problem.of("key_missing", message, headers=challenge)
        if not hmac.compare_digest(digest(key), self._digest):
            message = f"The key in {HEADER} is not the API_SECRET_KEY of this service."
            return Problem.of("key_wrong", message, headers=challenge)
        return None


def digest(key: str) -> bytes:
    """Hash a key; header values arrive as Latin-1 text, so every one can be hashed."""
    return hashlib.sha256(key.encode("utf-8")).digest()
