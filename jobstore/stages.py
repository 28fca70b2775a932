"""What the processes know of each other: each beats, the others read."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jobstore.database import Database
from jobstore.job import Stage

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

    def living(self, heartbeat_s: float, dead: Collection[str], now: int) -> list[Stage]:
        """List the stages that beat; of those on this machine, none whose owner is `dead`."""
        oldest = now - int(BEATS_MISSED * heartbeat_s * 1000)
        return [
            stage
            for stage in self.all()
            if stage.beat_at >= oldest and stage.facts["owner"] not in dead
        ]

    def all(self) -> list[Stage]:
        """List the stages, also those that have not beaten for long."""
        with self.database.reading() as connection:
            rows = list(self.database.queries.all_stages(connection))
        return [
            Stage(row["name"], row["host"], row["beat_at"], json.loads(row["facts"]))
            for row in rows
        ]
