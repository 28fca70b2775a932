"""The job store as one thing: open it, use its three parts, close it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobstore.jobs import Jobs
from jobstore.outbox import Outbox
from jobstore.settings import SQLITE
from jobstore.sqlite import Database
from jobstore.stages import Stages
from jobstore.wake import Wake


@dataclass(frozen=True)
class Store:
    """Jobs, outbox and stages of one database."""

    jobs: Jobs
    outbox: Outbox
    stages: Stages
    database: Database

    @classmethod
    def open(cls, database_url: str, wake: Wake) -> Self:
        """Open the store that a URL names, and bring its schema up to date.

        Args:
            database_url: `sqlite:///` and the path of a file.
            wake: what tells the other processes of a commit.

        Raises:
            StoreRefused: the database must not be used as it is.
            StoreUnavailable: the database cannot be opened right now.
        """
        database = Database(Path(database_url.removeprefix(SQLITE)))
        return cls(Jobs(database, wake.ring), Outbox(database), Stages(database), database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
