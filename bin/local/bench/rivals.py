"""Other queues, each used in the way that is fastest for it and still keeps every job."""

import json
from pathlib import Path
from typing import Any, Protocol

import litequeue
import procrastinate
import psycopg
from huey.storage import SqliteStorage
from procrastinate.jobs import Job
from procrastinate.sql import queries
from pysqlite3 import dbapi2 as driver

from local.bench.ours import REQUEST

PAYLOAD = REQUEST.model_dump_json()
LEVELS = ("OFF", "NORMAL", "FULL", "EXTRA")  # sqlite.org/pragma.html#pragma_synchronous


class Rival(Protocol):
    """A queue beside ours: `finish` takes a job and ends it, `count` times."""

    name: str
    durability: str

    def accept(self, count: int) -> None:
        """Take jobs in, each for good before the next one."""

    def finish(self, count: int) -> None:
        """Take jobs out and end them, one after the other."""

    def close(self) -> None:
        """Let go of the database."""


class Huey:
    """huey deletes a task when it is dequeued: what the worker has not finished dies with it."""

    name = "huey: dequeue, put result"

    def __init__(self, folder: Path) -> None:
        """Open its storage with `fsync=True`."""
        self._storage = SqliteStorage("bench", str(folder / "huey.db"), fsync=True)
        self.durability = durability(self._storage.conn)
        self._made = 0

    def accept(self, count: int) -> None:
        """Enqueue messages."""
        payload = PAYLOAD.encode()
        for _ in range(count):
            self._storage.enqueue(payload)

    def dequeue(self, count: int) -> None:
        """Take messages out, and tell nobody: a single transaction."""
        for _ in range(count):
            if self._storage.dequeue() is None:
                raise RuntimeError(self.name)

    def finish(self, count: int) -> None:
        """Take messages out and put a result for each, as its consumer does."""
        for _ in range(count):
            self.dequeue(1)
            self._made += 1
            self._storage.put_data(f"result-{self._made}", b"done", is_result=True)

    def close(self) -> None:
        """Close its connection."""
        self._storage.close()


class LiteQueue:
    """litequeue sets synchronous=NORMAL by itself; its connection is public, so FULL can be set."""

    name = "litequeue: pop, done"

    def __init__(self, folder: Path) -> None:
        """Open it, and make it as durable as ours."""
        self._queue = litequeue.LiteQueue(folder / "litequeue.db")
        self._queue.conn.execute("PRAGMA synchronous = FULL")
        self.durability = durability(self._queue.conn)

    def accept(self, count: int) -> None:
        """Put messages."""
        for _ in range(count):
            self._queue.put(PAYLOAD)

    def finish(self, count: int) -> None:
        """Pop messages, and mark each as done."""
        for _ in range(count):
            self._queue.done(self._queue.pop().message_id)

    def close(self) -> None:
        """Close its connection."""
        self._queue.close()


class Raw:
    """The least SQL that is a queue, on our own driver: what the database alone takes."""

    name = "raw SQL: claim, finish"

    def __init__(self, folder: Path) -> None:
        """Make one table with one index."""
        self._connection = driver.connect(str(folder / "raw.db"), isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state INT, body TEXT)")
        self._connection.execute("CREATE INDEX waiting ON jobs (id) WHERE state = 0")
        self.durability = durability(self._connection)

    def accept(self, count: int) -> None:
        """Insert rows."""
        for _ in range(count):
            self._connection.execute("INSERT INTO jobs (state, body) VALUES (0, ?)", (PAYLOAD,))

    def finish(self, count: int) -> None:
        """Update a row to claim it, and again to finish it."""
        for _ in range(count):
            ((row_id, _),) = self._connection.execute(
                "UPDATE jobs SET state = 1 WHERE id ="
                " (SELECT id FROM jobs WHERE state = 0 ORDER BY id LIMIT 1) RETURNING id, body"
            ).fetchall()
            self._connection.execute("UPDATE jobs SET state = 2 WHERE id = ?", (row_id,))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Procrastinate:
    """procrastinate by its synchronous connector; fetching as a method is async only.

    So its own named statements are sent through that connector, which is faster than its worker.
    """

    name = "procrastinate: fetch, finish"

    def __init__(self, url: str) -> None:
        """Make its schema."""
        self._connector = procrastinate.SyncPsycopgConnector(conninfo=url, min_size=1, max_size=1)
        self._app = procrastinate.App(connector=self._connector)
        self._app.open()
        self._app.schema_manager.apply_schema()
        self._task = self._app.configure_task("render", queue="bench")
        self._arguments = json.loads(PAYLOAD)
        row = self._connector.execute_query_one(queries["register_worker"])
        self._worker_id = row["worker_id"]
        with psycopg.connect(url) as connection:
            names = ("fsync", "synchronous_commit")
            values = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        self.durability = ", ".join(
            f"{name}={value[0]}" for name, value in zip(names, values, strict=True) if value
        )

    def accept(self, count: int) -> None:
        """Defer jobs one at a time."""
        for _ in range(count):
            self._task.defer(**self._arguments)

    def finish(self, count: int) -> None:
        """Fetch jobs, and mark each as succeeded."""
        for _ in range(count):
            row = self._connector.execute_query_one(
                queries["fetch_job"], queues=["bench"], worker_id=self._worker_id
            )
            self._connector.execute_query_one(
                queries["finish_job"],
                job_id=Job.from_row(row).id,
                status="succeeded",
                delete_job=False,
            )

    def close(self) -> None:
        """Close its pool."""
        self._app.close()


def durability(connection: Any) -> str:
    """Ask a connection to SQLite how durable its commits are."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    return f"{mode.upper()}, synchronous={LEVELS[level]}"
