"""Telling how dropped jobs are, in files that are replaced whole at each change until the end."""

import json
import os
from collections.abc import Iterator, Mapping

from structlog.stdlib import get_logger

from gateway.intake.dropped import NAME
from gateway.intake.inputs import Inputs, write_whole
from gateway.intake.take import SOURCE
from gateway.parts import Parts
from gateway.problems import Problem
from gateway.shown import show
from jobstore.job import Job
from jobstore.keys import MAIN
from jobstore.moves import TERMINAL

log = get_logger()

WHOLE_MOST = 100  # jobs whose place in the queue is followed; of more, only what is rendered
ENDED = frozenset({*TERMINAL, "rejected", "deleted"})


class Followed:
    """The dropped jobs that have not ended, by the names of their files."""

    def __init__(self, parts: Parts) -> None:
        """Follow none yet."""
        self._parts = parts
        self._jobs: dict[str, str] = {}
        self._said: dict[str, bytes] = {}
        self._missed: int | None = None

    def find(self, inputs: Inputs) -> None:
        """Take up those that were followed before this process began.

        Where there is a file, it says which job its name stands for; an older one of the same name
        may be living still.
        """
        with os.scandir(inputs.status) as entries:
            names = [entry.name for entry in entries if NAME.fullmatch(entry.name)]
        told = {name: said for name in names if (said := read(inputs.status, name))}
        living = self._parts.store.views.living_of_source(MAIN, SOURCE)
        for source, job_id in living.items():
            self._jobs.setdefault(source.removeprefix(SOURCE), job_id)
        for name, said in told.items():
            self._jobs.pop(name, None)
            if said.get("status") not in ENDED and said.get("job_id"):
                self._jobs[name] = str(said["job_id"])

    def begin(self, inputs: Inputs, name: str, job: Job) -> None:
        """Follow a job from now on, and no other of that name any more.

        Raises:
            StoreUnavailable: it cannot be looked up.
        """
        self._said.pop(name, None)
        self._jobs[name] = job.job_id
        self._tell(inputs, name)

    def forget(self, name: str) -> None:
        """Follow a name no more: what was dropped under it last was rejected."""
        self._said.pop(name, None)
        self._jobs.pop(name, None)

    def tell(self, inputs: Inputs) -> None:
        """Write down what has changed.

        Raises:
            StoreUnavailable: nothing can be looked up.
        """
        for name in list(self._due()):
            self._tell(inputs, name)

    def _due(self) -> Iterator[str]:
        """Find whom there may be something to tell of."""
        if len(self._jobs) <= WHOLE_MOST:
            yield from self._jobs
            return
        queued = self._parts.store.views.queued_ids()
        yield from (name for name, job_id in self._jobs.items() if job_id not in queued)

    def _tell(self, inputs: Inputs, name: str) -> None:
        job_id = self._jobs[name]
        body: Mapping[str, object]
        try:
            shown = show(self._parts, MAIN, job_id)
        except Problem as problem:
            body = {"job_id": job_id, "status": "deleted", "error": str(problem)}
            ended, tag = True, b""
        else:
            body, ended, tag = shown.body, shown.ended, shown.etag.encode()
        if ended or self._said.get(name) != tag:
            try:
                write_whole(inputs.status, name, json.dumps(body, indent=2).encode())
            except OSError as error:  # the job goes on all the same
                self._miss(name, error)
                return
            self._said[name] = tag
        self._missed = None
        if ended:
            self.forget(name)

    def _miss(self, name: str, error: OSError) -> None:
        """Say once that a file could not be written; it is tried again, as long as it is due."""
        if self._missed != error.errno:
            log.warning("status.missed", file=name, error=str(error))
        self._missed = error.errno


def read(folder: int, name: str) -> dict[str, object]:
    """Read what a file of ours says; nothing, if it cannot be read."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            said = json.load(file)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
