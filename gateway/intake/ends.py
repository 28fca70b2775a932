"""Where dropped files end: accepted, or rejected with the reason beside them."""

import contextlib
import hashlib
import json
import os
from datetime import UTC, datetime

from gateway.intake.dropped import NAME, Dropped
from gateway.intake.inputs import Inputs, write_whole
from gateway.problems import Problem, told
from jobstore.failpoints import failpoint

NAME_BYTES = 180  # of a rejected name that are kept, so that the reason fits behind it


def move_accepted(inputs: Inputs, dropped: Dropped, job_id: str) -> None:
    """Move a file whose job is in the store.

    Raises:
        OSError: it cannot be moved.
    """
    failpoint("intake.taken")
    move(inputs, dropped, inputs.accepted, f"{job_id}__{dropped.name}")
    failpoint("intake.moved")


def move_rejected(inputs: Inputs, dropped: Dropped, problem: Problem, request_id: str) -> str:
    """Move a file that is no job, and write the reason beside it; answers what it is called there.

    Raises:
        OSError: it cannot be moved, or the reason cannot be written.
    """
    at = datetime.fromtimestamp(dropped.written_ns / 1e9, UTC)
    known = hashlib.sha256(f"{dropped.ino} {dropped.size} {dropped.written_ns}".encode())
    kept = os.fsdecode(os.fsencode(dropped.name)[:NAME_BYTES])
    name = f"{kept}.{at:%Y%m%dT%H%M%SZ}.{known.hexdigest()[:8]}"
    reason = json.dumps(told(problem, request_id), indent=2).encode()
    write_whole(inputs.rejected, f"{name}.error.json", reason, lasting=True)
    if NAME.fullmatch(dropped.name):
        said = {"status": "rejected", "error": str(problem), "error_code": problem.code}
        write_whole(inputs.status, dropped.name, json.dumps(said, indent=2).encode())
    failpoint("intake.refused")
    move(inputs, dropped, inputs.rejected, name)
    failpoint("intake.rejected")
    return name


def move(inputs: Inputs, dropped: Dropped, folder: int, name: str) -> None:
    """Move a file, and only that one: another may have come in its place since it was read."""
    with contextlib.suppress(FileNotFoundError):  # whoever dropped it took it back
        os.rename(dropped.name, name, src_dir_fd=inputs.folder, dst_dir_fd=folder)
        if Dropped.look(folder, name).ino != dropped.ino:
            put_back(inputs, dropped.name, folder, name)


def put_back(inputs: Inputs, name: str, folder: int, moved: str) -> None:
    """Give a file its name back, unless a still newer one has it: that one has replaced it."""
    with contextlib.suppress(FileExistsError):
        os.link(moved, name, src_dir_fd=folder, dst_dir_fd=inputs.folder, follow_symlinks=False)
    os.unlink(moved, dir_fd=folder)
