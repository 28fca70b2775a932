"""Every byte of a checkpoint is read and compared with its manifest."""

import os
from pathlib import Path

from runner.render.weights.faults import SetupRefused
from runner.render.weights.layout import DRAFT, is_shard, weights
from runner.render.weights.manifest import MANIFEST, Manifest, look_at
from runner.render.weights.progress import Count, Progress, say, sha256, some_at_once

AT_ONCE = 4


def check(folder: Path) -> bool:
    """Read all files, and tell a person each that is wrong; true if none is.

    What was found altered is noted in the manifest: neither rendering nor a set-up takes the
    checkpoint for whole until it is mended.

    Raises:
        SetupRefused: there is nothing to compare with.
        NotWhole: the manifest cannot be read.
        OSError: what was found could not be noted.
    """
    manifest = Manifest.read(folder)
    if manifest is None:
        message = f"{folder} has no {MANIFEST} to compare with: run bin/setup --weights {folder}"
        raise SetupRefused(message)
    unread = manifest.model_copy(update={"broken": []})
    wrong = dict(unread.faults(folder))
    altered = altered_files(folder, unread, [path for path in manifest.files if path not in wrong])
    for path, fault in {**wrong, **dict.fromkeys(altered, "is altered")}.items():
        say(f"{path} {fault}: run bin/setup --weights {folder}, which mends it")
    surplus = [path for path in weights(folder) if path not in manifest.files]
    for path in surplus:
        mend = "move it away"
        if is_shard(path):
            mend = f"run bin/setup --weights {folder}"
        elif path.startswith(f"{DRAFT}/"):
            mend = f"run bin/setup --weights --draft {folder}, or move the folder away"
        say(f"{path} is none of this checkpoint, and might be loaded instead: {mend}")
    if altered != manifest.broken:
        manifest.model_copy(update={"broken": altered}).write(folder)
    if wrong or altered or surplus:
        return False
    say(f"{folder} is whole: {manifest.repository} at {manifest.revision}, every byte was read")
    return True


def is_whole(folder: Path) -> bool:
    """Tell by names and sizes alone whether all is there, and say to a person what is not.

    Raises:
        NotWhole: something is not as the manifest says.
        OSError: the description is not there.
    """
    if Manifest.read(folder) is None:
        say(f"{folder} has no {MANIFEST}: run bin/setup --weights {folder}")
        return False
    look_at(folder)
    return True


def altered_files(folder: Path, manifest: Manifest, paths: list[str]) -> list[str]:
    """Read files, some at once, and list those whose content is not what it was."""
    with Progress("check", sum(manifest.files[path].size for path in paths)) as progress:

        def is_right(path: str) -> bool:
            return digest(folder / path, progress.count) == manifest.files[path].sha256

        right = some_at_once(is_right, paths, AT_ONCE)
    return [path for path, is_so in zip(paths, right, strict=True) if not is_so]


def digest(file: Path, count: Count) -> str | None:
    """Read a file from the disk, past what memory still holds of it; None if it cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
        return sha256(file, count)
    except OSError as error:
        say(f"{file} cannot be read: {error.strerror}")
        return None
