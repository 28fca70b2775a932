"""The job store as one thing: open it, use its parts, close it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobstore.database import Database
from jobstore.drains import Drains
from jobstore.jobs import Jobs
from jobstore.keys import Keys
from jobstore.outbox import Outbox
from jobstore.retention import Retention
from jobstore.settings import POSTGRESQL, SQLITE
from jobstore.stages import Stages
from jobstore.views import Views
from jobstore.wake import Wake


@dataclass(frozen=True)
class Store:
    """Jobs, outbox, stages, drains, keys, what grows old, and the views of one database."""

    jobs: Jobs
    outbox: Outbox
    stages: Stages
    drains: Drains
    keys: Keys
    retention: Retention
    views: Views
    database: Database

    @classmethod
    def open(cls, database_url: str, wake: Path) -> Self:
        """Open the store that a URL names, and bring its schema up to date.

        Args:
            database_url: `sqlite:///` and the path of a file, or `postgresql://`.
            wake: the folder where processes of one machine wake each other.

        Raises:
            StoreRefused: the database must not be used as it is.
            StoreUnavailable: the database cannot be opened right now.
        """
        database = open_database(database_url, wake)
        return cls(
            Jobs(database),
            Outbox(database),
            Stages(database),
            Drains(database),
            Keys(database),
            Retention(database),
            Views(database),
            database,
        )

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_database(database_url: str, wake: Path) -> Database:
    """Open one of the two databases; the driver of the other is not even imported."""
    if database_url.startswith(POSTGRESQL):
        from jobstore.postgres import PostgresDatabase

        return PostgresDatabase(database_url)
    from jobstore.sqlite import SqliteDatabase

    return SqliteDatabase(Path(database_url.removeprefix(SQLITE)), Wake(wake))
