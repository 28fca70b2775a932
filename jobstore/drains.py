"""Machines that claim no more: they are to be stopped, or taken away."""

from dataclasses import dataclass
from enum import StrEnum

from jobstore.database import Database


class Reason(StrEnum):
    """Why a machine is drained."""

    STOP = "stop"
    """Its owner stops it: what is being rendered is finished."""
    SPOT = "spot"
    """AWS takes it away: what is being rendered is given back."""


@dataclass(frozen=True)
class Drain:
    """Why a machine claims no more, since when, and whether it gives back what it holds."""

    reason: Reason
    at_once: bool
    since: int


@dataclass(frozen=True)
class Drains:
    """The machines of one store that claim no more."""

    database: Database

    def begin(self, host: str, reason: Reason, now: int, *, at_once: bool) -> bool:
        """Drain a machine: once this returns, it claims nothing.

        A drain that gives back at once takes the place of one that lets finish, never the reverse.

        Returns:
            Whether anything has changed: the same drain twice is one.
        """
        with self.database.writing("jobs") as connection:
            self.database.queries.lock_drains(connection)
            row = self.database.queries.begin_drain(
                connection, host=host, reason=reason, at_once=int(at_once), now=now
            )
        return row is not None

    def lift(self, host: str, reason: Reason | None = None) -> bool:
        """Let a machine claim again, unless it is drained for another reason than the one named.

        Returns:
            Whether it was drained so.
        """
        with self.database.writing("jobs") as connection:
            row = self.database.queries.lift_drain(connection, host=host, reason=reason or "")
        return row is not None

    def of(self, host: str) -> Drain | None:
        """Tell whether a machine is drained, and how."""
        with self.database.reading() as connection:
            row = self.database.queries.drain_of(connection, host=host)
        return Drain(Reason(row["reason"]), bool(row["at_once"]), row["since"]) if row else None
