"""Keys by name, beside the one in the settings: of each only its hash is kept."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from jobstore.database import Database
from jobstore.errors import NameWrong

MAIN = "main"  # the name of API_SECRET_KEY, which sees the jobs of all
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SECRET_BYTES = 32
SHOWN = 8  # characters of a hash by which people tell keys apart


@dataclass(frozen=True)
class Key:
    """A key: whose it is, and when it was made and revoked (milliseconds since 1970)."""

    key_hash: str
    name: str
    made_at: int
    revoked_at: int | None

    @property
    def short(self) -> str:
        """What people call it by."""
        return self.key_hash[:SHOWN]


@dataclass(frozen=True)
class Keys:
    """The keys of one store."""

    database: Database

    def make(self, name: str, now: int) -> str:
        """Make a key for a name, which may have others; it is told this once.

        Raises:
            NameWrong: no name, or that of the key in the settings.
        """
        if not NAME.fullmatch(name) or name == MAIN:
            message = (
                f"{name!r} is no name for a key: letters, digits and . _ - after the first,"
                f" at most 64, and not {MAIN!r}."
            )
            raise NameWrong(message)
        secret = f"wan22_{secrets.token_urlsafe(SECRET_BYTES)}"
        with self.database.writing() as connection:
            self.database.queries.make_key(connection, sha256=hashed(secret), name=name, now=now)
        return secret

    def owner(self, key_hash: str) -> str | None:
        """Tell whose key has this hash; None if it is nobody's, or was revoked."""
        with self.database.reading() as connection:
            row = self.database.queries.key_owner(connection, sha256=key_hash)
        return row["name"] if row else None

    def all(self) -> list[Key]:
        """List the keys, also those that were revoked."""
        with self.database.reading() as connection:
            rows = list(self.database.queries.all_keys(connection))
        return [Key(row["sha256"], row["name"], row["made_at"], row["revoked_at"]) for row in rows]

    def revoke(self, name_or_short: str, now: int) -> int:
        """Revoke all keys of a name, or the one that is called so; answers how many."""
        length = max(len(name_or_short), SHOWN)  # fewer characters are never one of them
        with self.database.writing() as connection:
            rows = self.database.queries.revoke_key(
                connection, name_or_start=name_or_short, length=length, now=now
            )
            return len(list(rows))


def hashed(secret: str) -> str:
    """Hash a key as it is kept: SHA-256 in hex; a key of 256 random bits needs no more."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
