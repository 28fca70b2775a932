"""Whether a job store is sound, looked at without changing it."""

from dataclasses import dataclass

from jobstore.backup import database_file
from jobstore.database import migrations
from jobstore.settings import SQLITE, Settings


@dataclass(frozen=True)
class Soundness:
    """What a job store is: `damage` is empty where none is seen, `known` counts our migrations."""

    name: str
    damage: str
    migration: int
    known: int


def look(settings: Settings, *, whole: bool) -> Soundness:
    """Look at the job store; with `whole` at each page and each index of a file.

    Raises:
        FileNotFoundError: there is no file yet.
        StoreRefused: the file is no job store, or the SQLite library is an unsafe one.
        StoreUnavailable: it cannot be read right now.
    """
    if settings.store_url.startswith(SQLITE):
        from jobstore import sqlite

        file = database_file(settings)
        if not file.exists():
            raise FileNotFoundError(file)
        library, damage, migration = sqlite.look(file, whole=whole)
        return Soundness(f"SQLite {library}", damage, migration, len(migrations("sqlite")))
    from jobstore import postgres

    version, migration = postgres.look(settings.store_url)
    return Soundness(f"PostgreSQL {version}", "", migration, len(migrations("postgresql")))
