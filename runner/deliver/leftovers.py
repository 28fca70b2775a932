"""Files that have grown old: which of them nobody needs any more, folder by folder.

A file is looked at once it is old itself. Whether it is needed, the job store says: what a living
job names, or what is owed, stays however old it is.
"""

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jobstore.keeping import KeepSettings, before
from jobstore.staged import clearing
from jobstore.store import Store
from runner.remains import WORK_FILE

INPUTS = ("accepted", "rejected", "status")
SETTLED = "delivered"
NEEDED = frozenset({"owed", "delivering", "kept"})


class Leftover(NamedTuple):
    """A file that nobody needs; `remove` looks once more, and tells whether it did."""

    what: str
    file: Path
    size_bytes: int
    remove: Callable[[], bool]


def leftovers(settings: KeepSettings, store: Store, now: int) -> Iterator[Leftover]:
    """Find all of them."""
    yield from pictures(settings, store, now)
    yield from outputs(settings, store, now)
    yield from work_files(settings, store, now)
    embeddings_before = before(settings.keep_embeddings_s, now)
    yield from _all("embedding", settings.embeddings, embeddings_before)
    for folder in INPUTS:
        inputs = settings.data_dir / "inputs" / folder
        yield from _all("input", inputs, before(settings.keep_inputs_s, now))


def pictures(settings: KeepSettings, store: Store, now: int) -> Iterator[Leftover]:
    """Find pictures whose last job ended long ago, and those that never had one."""
    images = settings.images
    ages = (settings.keep_images_s, settings.keep_strays_s)
    left_before, stray_before = (before(age, now) for age in ages)

    def is_old(file: Path) -> bool:
        left_at = store.retention.image_left_at(file.name)
        if left_at is None:
            return file.lstat().st_mtime * 1000 <= stray_before
        return left_at <= left_before

    def remove(file: Path) -> bool:
        try:
            with clearing(settings.work):
                return is_old(file) and _unlink(file)
        except (BlockingIOError, FileNotFoundError):
            return False

    for file, size_bytes in _old_files(images, max(left_before, stray_before)):
        if is_old(file):
            yield Leftover("picture", file, size_bytes, partial(remove, file))


def outputs(settings: KeepSettings, store: Store, now: int) -> Iterator[Leftover]:
    """Find copies of videos delivered long ago, and files that never became a video."""
    delivered_before = before(settings.keep_outputs_s, now)
    stray_before = before(settings.keep_strays_s, now)
    for file, size_bytes in _old_files(settings.outputs, max(delivered_before, stray_before)):
        known = store.retention.output(file.name.lstrip(".").partition(".")[0])
        if known and known.state == SETTLED:
            old = known.delivered_at is not None and known.delivered_at <= delivered_before
        elif known and (known.ended_at is None or known.state in NEEDED):
            old = False
        else:
            old = file.lstat().st_mtime * 1000 <= stray_before
        if old:
            yield _leftover("output", file, size_bytes)


def work_files(settings: KeepSettings, store: Store, now: int) -> Iterator[Leftover]:
    """Find what renders left whose job has ended; the render stage, if it runs, is faster."""
    for file, size_bytes in _old_files(settings.work, before(settings.keep_strays_s, now)):
        name = WORK_FILE.fullmatch(file.name)
        if name is None:
            wanted = file.suffix not in {".part", ".new"}
        else:
            job = store.views.find(name["job_id"])
            wanted = job is not None and job.ended_at is None
        if not wanted:
            yield _leftover("work", file, size_bytes)


def _all(what: str, folder: Path, old_before: int) -> Iterator[Leftover]:
    for file, size_bytes in _old_files(folder, old_before):
        yield _leftover(what, file, size_bytes)


def _old_files(folder: Path, old_before: int) -> Iterator[tuple[Path, int]]:
    """List the plain files of a folder that were not touched since, with their sizes."""
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_mtime * 1000 <= old_before:
            yield file, found.st_size


def _leftover(what: str, file: Path, size_bytes: int) -> Leftover:
    return Leftover(what, file, size_bytes, partial(_unlink, file))


def _unlink(file: Path) -> bool:
    file.unlink(missing_ok=True)
    return True
