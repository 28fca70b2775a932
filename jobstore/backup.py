"""Backup and restore of the SQLite job store: a copy of one moment, made while everything runs.

PostgreSQL has its own tools for this (`pg_dump`, base backups).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from jobstore import owner, sqlite
from jobstore.clock import now_ms
from jobstore.errors import StoreRefused
from jobstore.files import publish, sync_folder
from jobstore.settings import SQLITE, Settings

JOB_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")  # a ULID


@dataclass(frozen=True)
class Restored:
    """What a restore did: where the store before it is kept, and the jobs it does not know."""

    kept: Path
    unknown_jobs: list[str]


def backup(settings: Settings, target: Path) -> int:
    """Copy the store of this moment into a file that appears whole; answers its size in bytes.

    Raises:
        StoreRefused: the store is not an SQLite file, or `target` is there already.
        StoreUnavailable: the store cannot be read right now.
    """
    if target.exists():
        message = f"{target} is there already; name a new file."
        raise StoreRefused(message)
    work = target.with_name(f".{target.name}.part")
    work.unlink(missing_ok=True)
    sqlite.copy(database_file(settings), work)
    publish(work, target)
    return target.stat().st_size


def restore(settings: Settings, source: Path) -> Restored:
    """Put a backup in the place of the store; what was there is kept beside it.

    Raises:
        StoreRefused: a process of wan22 is running, or the backup is none; nothing was changed.
    """
    file = database_file(settings)
    if owner.living_owners(settings.work):
        message = "Stop the gateway, the render and the delivery stage first; nothing was changed."
        raise StoreRefused(message)
    work = file.with_name(f".{file.name}.restored")
    work.unlink(missing_ok=True)
    sqlite.copy(source, work)
    kept = file.with_name(f"{file.name}.before-{now_ms()}")
    if file.exists():
        sqlite.copy(file, kept)
    for part in ("-wal", "-shm"):
        file.with_name(f"{file.name}{part}").unlink(missing_ok=True)
    publish(work, file)
    sync_folder(file.parent)
    return Restored(kept, sorted(seen_on_disk(settings) - sqlite.job_ids(file)))


def seen_on_disk(settings: Settings) -> set[str]:
    """List the jobs that have left a picture or a video on this machine's disk."""
    files = [*settings.images.glob("*.png"), *settings.outputs.glob("*.mp4")]
    names = {file.name.partition(".")[0] for file in files}
    return {name for name in names if JOB_ID.fullmatch(name)}


def database_file(settings: Settings) -> Path:
    """Find the file of the store.

    Raises:
        StoreRefused: it is not a file.
    """
    if not settings.store_url.startswith(SQLITE):
        message = "The job store is PostgreSQL: use its own tools, such as pg_dump and pg_restore."
        raise StoreRefused(message)
    return Path(settings.store_url.removeprefix(SQLITE))
