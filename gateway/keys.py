"""Nobody gets past without a key, whatever the path; only the open calls are open."""

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.brake import Brake
from gateway.links import is_link
from gateway.parts import Parts, in_thread
from gateway.problems import Problem, answer, store_problem
from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.keys import MAIN, hashed

HEADER = "X-API-Key"
BEARER = "bearer "
CHALLENGE = {"WWW-Authenticate": f'ApiKey realm="wan22", header="{HEADER}", Bearer'}
LATER_S = "5"  # by when an answer that is held back has gone


class RequireKey:
    """ASGI middleware that finds out whose key came, and lets nobody in without one.

    The key comes as `X-API-Key`, or as `Authorization: Bearer`, as the clients of OpenAI send it.
    `scope["key_id"]` is then its name: `main` for API_SECRET_KEY.
    """

    def __init__(self, app: ASGIApp, parts: Parts, open_paths: frozenset[str]) -> None:
        """Keep only the secret's hash, so that lengths do not matter to the comparison."""
        self.app = app
        self._parts = parts
        self._main = hashed(parts.settings.api_secret_key.get_secret_value())
        self._open_paths = open_paths
        self._brake = Brake(parts.settings.key_tries)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            try:
                scope["key_id"] = await self._owner(scope)
            except Problem as problem:
                await answer(problem, scope["request_id"])(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _owner(self, scope: Scope) -> str:
        """Find out whose key came with a request.

        Raises:
            Problem: it has none or a wrong one, too many wrong ones came, or the store is away.
        """
        key = sent_key(Headers(scope=scope))
        if key is None and self._parts.links.allows(scope, now_ms()):
            return MAIN
        if key is None and is_link(scope):
            message = "This link has ended, or was altered; the status of the job has a new one."
            raise Problem.of("link_wrong", message)
        if key is None:
            message = f"Send the header {HEADER} with a key, such as this service's API_SECRET_KEY."
            raise Problem.of("key_missing", message, headers=CHALLENGE)
        address = (scope.get("client") or ("unknown",))[0]
        if self._brake.is_full(address):
            message = "Too many wrong keys come from this address; try again later."
            raise Problem.of("key_tried", message, headers={**CHALLENGE, "Retry-After": LATER_S})
        key_hash = hashed(key)
        if hmac.compare_digest(key_hash, self._main):
            return MAIN
        parts = self._parts
        try:
            name = await in_thread(parts.reads, parts.store.keys.owner, key_hash)
        except StoreUnavailable as error:
            raise store_problem(error) from error
        if name is None:
            await self._brake.hold(address)
            message = "This is no key of this service; its API_SECRET_KEY is one."
            raise Problem.of("key_wrong", message, headers=CHALLENGE)
        return name


def sent_key(headers: Headers) -> str | None:
    """Find the key in the head of a request; None without one."""
    if (key := headers.get(HEADER)) is not None:
        return key
    authorization = headers.get("authorization", "")
    is_bearer = authorization[: len(BEARER)].lower() == BEARER
    return authorization[len(BEARER) :].strip() if is_bearer else None
