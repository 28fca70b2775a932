"""Removing what was kept long enough, a little at a time, beside the deliveries."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.failpoints import failpoint
from jobstore.keeping import KeepSettings, before
from jobstore.retention import MOST
from jobstore.store import Store
from runner.deliver.leftovers import leftovers

log = get_logger()

EVERY_S = 300.0


class Gone(NamedTuple):
    """What was removed, or would be: a file, a video (its removal is owed), the row of a job."""

    what: str
    name: str
    size_bytes: int


class Retention:
    """What has grown old in one `DATA_DIR` and its store.

    Whatever stops it, it is safe: a video expires in the transaction that owes its removal, which
    delivery pays as any other; a file is needed by nobody before it goes.
    """

    def __init__(self, settings: KeepSettings, store: Store) -> None:
        """Go by the ages in the settings."""
        self._settings = settings
        self._store = store

    def tick(self, stop: threading.Event) -> None:
        """Remove some of it; what is left waits for the next tick."""
        try:
            for gone in self.run(now_ms(), MOST):
                log.info("thing.pruned", what=gone.what, name=gone.name, size_bytes=gone.size_bytes)
                if stop.is_set():
                    return
        except StoreUnavailable as error:
            log.warning("store.missed", error=str(error))

    def run(self, now: int, most: int, *, dry: bool = False) -> Iterator[Gone]:
        """Remove what is old, at most so many of each: files, videos, then jobs.

        In this order, what goes never depends on what went before: a dry run tells the same.
        """
        yield from self._files(now, most, dry=dry)
        yield from self._videos(now, most, dry=dry)
        yield from self._jobs(now, most, dry=dry)

    def _files(self, now: int, most: int, *, dry: bool) -> Iterator[Gone]:
        gone = 0
        for left in leftovers(self._settings, self._store, now):
            if gone == most:
                return
            try:
                if not dry and not left.remove():
                    continue
            except OSError as error:
                log.warning("file.stuck", path=str(left.file), error=str(error))
                continue
            failpoint("prune.removed")
            gone += 1
            name = str(left.file.relative_to(self._settings.data_dir))
            yield Gone(left.what, name, left.size_bytes)

    def _videos(self, now: int, most: int, *, dry: bool) -> Iterator[Gone]:
        ended_before = before(self._settings.keep_videos_s, now)
        for job_id, size_bytes in self._store.retention.expirable(ended_before, most).items():
            if dry or self._store.retention.expire(job_id, now):
                yield Gone("video", job_id, size_bytes)

    def _jobs(self, now: int, most: int, *, dry: bool) -> Iterator[Gone]:
        ages = (self._settings.keep_jobs_s, self._settings.keep_deleted_s)
        ended_before, buried_before = (before(age, now) for age in ages)
        retention = self._store.retention
        if dry:
            job_ids = retention.prunable(ended_before, buried_before, most)
            yield from (Gone("job", job_id, 0) for job_id in job_ids)
            return
        while most > 0:
            job_ids = retention.prune(ended_before, buried_before, min(most, MOST))
            yield from (Gone("job", job_id, 0) for job_id in job_ids)
            most = most - MOST if len(job_ids) == MOST else 0
