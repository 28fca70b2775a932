"""A gateway of its own with a folder into which files are dropped, and what became of them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from jobstore.job import Job
from jobstore.store import Store
from local.stack import Stack

PATIENCE_S = 60
RED = '{"prompt": "a red circle moves right"}'
NO_BUCKET = {"S3_BUCKET": "", "S3_REGION": "", "S3_ENDPOINT_URL": ""}


class Dropping:
    """A running gateway, and the shortest words for what a test does with its folder."""

    def __init__(self, folder: Path, **env: str) -> None:
        """Start the gateway, and nothing else."""
        self.stack = Stack(folder, env={**NO_BUCKET, "QUEUED_MOST": "100000", **env})
        self.inputs = folder / "inputs"
        self.store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "work" / "wake")
        self.stack.up("gateway")
        self.until((self.inputs / "status").is_dir)

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the gateway."""
        self.stack.stop()
        self.store.close()

    def drop(self, name: str, content: str | bytes = RED) -> Path:
        """Drop a file whole, by a rename."""
        work = self.inputs / f".{name}.part"
        work.write_bytes(content if isinstance(content, bytes) else content.encode())
        time.sleep(0.01)  # longer than a tick of the file system's clock
        return work.rename(self.inputs / name)

    def until(self, so: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + within_s
        while not so():
            assert time.monotonic() < deadline, self.stack.processes["gateway"].tail(15)
            time.sleep(0.02)

    def gone(self, *names: str, within_s: float = PATIENCE_S) -> None:
        """Wait until files have left the folder."""
        self.until(lambda: not any((self.inputs / n).exists() for n in names), within_s)

    def accepted(self, name: str) -> list[str]:
        """List the jobs that came of files of a name."""
        return [
            file.name.partition("__")[0]
            for file in (self.inputs / "accepted").iterdir()
            if file.name.partition("__")[2] == name
        ]

    def job(self, name: str) -> Job:
        """Find the only job of a name."""
        self.gone(name)
        (job_id,) = self.accepted(name)
        job = self.store.views.find(job_id)
        assert job
        return job

    def reasons(self, name: str) -> list[Any]:
        """Read why files of a name were rejected."""
        found = (self.inputs / "rejected").iterdir()
        return [
            json.loads(file.read_bytes())
            for file in found
            if file.name.startswith(f"{name}.2") and file.name.endswith(".error.json")
        ]

    def status(self, name: str) -> Any:
        """Read how a job is told of; None while nothing is."""
        try:
            return json.loads((self.inputs / "status" / name).read_bytes())
        except FileNotFoundError:
            return None

    def events(self, event: str) -> list[Any]:
        """List the log lines of one event."""
        lines = (self.stack.folder / "logs" / "gateway.log").read_text().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in said if line["event"] == event]

    def jobs(self) -> int:
        """Count all jobs."""
        with self.store.database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
