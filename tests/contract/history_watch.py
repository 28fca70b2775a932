"""What must never be seen in the tables, whatever the model says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from history_rows import DebtRow, DrainRow, HostRow, JobRow
from jobstore.database import Database
from jobstore.moves import TERMINAL

Row = Mapping[str, Any]


def columns(row: type[JobRow | DebtRow | HostRow | DrainRow]) -> str:
    return ", ".join(field.name for field in fields(row))


@dataclass(frozen=True)
class Seen:
    """All tables at one moment, in the order the rows came."""

    jobs: dict[str, Row]
    debts: list[Row]
    hosts: dict[str, Row]
    drains: dict[str, Row]
    events: dict[str, list[tuple[str, int, int]]]

    @classmethod
    def of(cls, database: Database) -> "Seen":
        def rows(select: str, order: str) -> list[Row]:
            return [dict(row) for row in connection.execute(f"{select} ORDER BY {order}")]

        with database.reading() as connection:
            jobs = rows(f"SELECT {columns(JobRow)} FROM jobs", "seq")
            debts = rows(f"SELECT key, {columns(DebtRow)} FROM outbox", "seq")
            hosts = rows(f"SELECT {columns(HostRow)} FROM hosts", "host")
            drains = rows(f"SELECT {columns(DrainRow)} FROM drains", "host")
            told = rows("SELECT job_id, state, fence, at FROM job_events", "seq")
        events: dict[str, list[tuple[str, int, int]]] = {}
        for row in told:
            events.setdefault(row["job_id"], []).append((row["state"], row["fence"], row["at"]))
        by_host, drained = ({row["host"]: row for row in each} for each in (hosts, drains))
        return cls({row["job_id"]: row for row in jobs}, debts, by_host, drained, events)


@dataclass
class Watch:
    """Holds each look at the tables to the one before."""

    last: Seen
    keys: dict[str, str] = field(default_factory=dict)

    def look(self, seen: Seen) -> None:
        for job_id, before in self.last.jobs.items():
            self._job_goes_on(before, seen.jobs.get(job_id))
        for row in seen.jobs.values():
            self._states_agree(
                row, [debt for debt in seen.debts if debt["job_id"] == row["job_id"]]
            )
        for debt in seen.debts:
            owner = self.keys.setdefault(debt["key"], debt["job_id"])
            assert owner == debt["job_id"], "one object, one job"
        self.last = seen

    def _job_goes_on(self, before: Row, row: Row | None) -> None:
        if row is None:
            assert before["state"] in TERMINAL, "only what has ended is forgotten"
            return
        assert row["fence"] >= before["fence"], "a fence only rises"
        assert row["progress"] >= before["progress"], "progress never goes back"
        assert row["spent_ms"] >= before["spent_ms"], "what was spent stays spent"
        assert before["state"] not in TERMINAL or row["state"] == before["state"], (
            "the end is final"
        )
        claimed = row["state"] == "processing" and row["attempt"] > before["attempt"]
        assert not claimed or before["state"] == "queued", "a rendered job is never rendered again"

    def _states_agree(self, row: Row, debts: Sequence[Row]) -> None:
        told = [debt for debt in debts if debt["kind"] == "webhook"]
        wanted = row["webhook_url"] is not None and row["state"] in TERMINAL
        assert len(told) == wanted, "who wants to be told of an end is told of it once"
        videos = [debt for debt in debts if debt["kind"] == "video"]
        assert len(videos) <= 1
        states = {debt["state"] for debt in videos}
        if row["state"] == "completed":
            assert states
            assert videos[0]["size_bytes"]
            assert videos[0]["sha256"]
        elif row["state"] == "rendered":
            assert states <= {"owed", "delivering"}
            assert states
        else:
            assert states <= ({"dead"} if row["state"] == "failed" else set())
