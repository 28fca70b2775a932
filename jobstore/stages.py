"""What the processes know of each other: each beats, the others read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobstore.database import Database
from jobstore.job import Stage
from jobstore.owner import living_owners, machine_id

BEATS_MISSED = 3  # after which a stage counts as down


@dataclass(frozen=True)
class Stages:
    """The stages that serve one store."""

    database: Database

    def beat(self, name: str, host: str, facts: Mapping[str, object], now: int) -> None:
        """Say that a stage is alive, and what it knows (GPU, model, loading)."""
        with self.database.writing() as connection:
            self.database.queries.beat_stage(
                connection, name=name, host=host, facts=json.dumps(facts), now=now
            )

    def leave(self, name: str, host: str) -> None:
        """Say that a stage has stopped in good order."""
        with self.database.writing() as connection:
            self.database.queries.drop_stage(connection, name=name, host=host)

    def living(self, heartbeat_s: float, work: Path, now: int) -> list[Stage]:
        """List the stages that beat; of those on this machine, only whose process is there.

        `work` is where the owners of this machine have their locks.
        """
        oldest = now - int(BEATS_MISSED * heartbeat_s * 1000)
        here, owners = machine_id(work), living_owners(work)
        return [
            stage
            for stage in self.all()
            if stage.beat_at >= oldest and (stage.host != here or stage.facts["owner"] in owners)
        ]

    def all(self) -> list[Stage]:
        """List the stages, also those that have not beaten for long."""
        with self.database.reading() as connection:
            rows = list(self.database.queries.all_stages(connection))
        return [
            Stage(row["name"], row["host"], row["beat_at"], json.loads(row["facts"]))
            for row in rows
        ]
