"""Waiting until a service can do its work, and telling meanwhile how far it is."""

import time
from collections.abc import Callable
from typing import Any

import httpx2

from gateway.client import Client
from gateway.settings import GatewaySettings
from runner.stage import described

EVERY_S = 1.0  # each look is a line in the log of the gateway
SAY_LOADING_S = 5.0
AUTHORITY = "authority.pem"
Say = Callable[[str], None]


def client_of(given: GatewaySettings) -> Client:
    """Make a client of the service of this machine, which trusts an authority of its own."""
    authority = given.tls_cert.with_name(AUTHORITY) if given.tls_cert else None
    known = authority if authority and authority.exists() else None
    key = given.api_secret_key.get_secret_value()
    return Client(given.local_url, key, timeout_s=5, authority=known)


class Readiness:
    """Tells each change once, and how far the loading is every few seconds."""

    def __init__(self, client: Client, say: Say) -> None:
        """Ask by a client, and tell a person."""
        self._client = client
        self._say = say
        self._said: dict[str, str] = {}
        self._said_at = 0.0

    def wait(self, run: Callable[[], bool], patience_s: float) -> bool:
        """Wait until all are ready; False: too long.

        `run` tells whether all run that were started here, and may raise: who answers at their
        address may be another.
        """
        began = time.monotonic()
        while time.monotonic() - began < patience_s:
            if run() and self.look():
                return True
            time.sleep(EVERY_S)
        return False

    def look(self) -> bool:
        """Look once; True when all are ready."""
        try:
            health = self._client.health()
        except (httpx2.HTTPError, ValueError):  # nobody answers, or somebody without JSON
            self._tell("gateway", "not there yet")
            return False
        self._tell("gateway", "ready")
        for name, state in health["stages"].items():
            self._tell(name, self._described(name, state, health))
        return {"down", "loading"}.isdisjoint(health["stages"].values())

    @staticmethod
    def _described(name: str, state: str, health: dict[str, Any]) -> str:
        if name == "render" and state == "loading":
            return described({"loading": health["loading"]})
        return "not there yet" if state == "down" else state

    def _tell(self, name: str, what: str) -> None:
        before, now = self._said.get(name, ""), time.monotonic()
        moves = bool(before) and before.partition(":")[0] == what.partition(":")[0]
        if what == before or (moves and now - self._said_at < SAY_LOADING_S):
            return
        self._said[name], self._said_at = what, now
        self._say(f"{name + ':':<9} {what}")
