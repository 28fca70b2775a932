"""The set-up of the weights, step by step; each step looks first at what is already done.

A kill at any moment costs at most the step that was going on: files get their names when they are
whole, the manifest is written when all others are, and only then what it does not name is removed.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobstore.abilities import DESCRIPTION, Abilities
from jobstore.failpoints import failpoint
from jobstore.files import write_whole
from runner.render.describe import REPOSITORY, WAN22_TI2V_5B
from runner.render.weights.faults import NotWhole, SetupRefused
from runner.render.weights.layout import CONVERTED, FETCHING, is_shard, unfinished, weights
from runner.render.weights.manifest import MANIFEST, Listed, Manifest
from runner.render.weights.progress import Progress, say, sha256, size

REVISION = WAN22_TI2V_5B.revision
DESCRIBED = f"{WAN22_TI2V_5B.model_dump_json(indent=2)}\n".encode()
Files = dict[str, Listed]


def bring(folder: Path, *, more: bool = False) -> None:
    """Make a checkpoint whole, from nothing or from whatever an earlier run left.

    Args:
        folder: where it is; made if need be.
        more: something will come beside it, so what was fetched in part stays.

    Raises:
        SetupRefused: the folder holds something else, the hub is away, or there is no room.
        OSError: the disk is full, or broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        refuse_another(folder)
        manifest = manifest_of(folder)
        wrong = own_faults(folder, manifest) if manifest else {}
        if not (folder / DESCRIPTION).is_file() or (folder / DESCRIPTION).read_bytes() != DESCRIBED:
            wrong[DESCRIPTION] = "is not what this wan22 knows of the model"
        if manifest is None or wrong:
            manifest = mended(folder, manifest, wrong)
            manifest.write(folder)
            failpoint("weights.listed")
        if not more:
            tidy(folder)
    total = sum(each.size for path, each in manifest.files.items() if not manifest.is_beside(path))
    say(f"{folder} is whole: {REPOSITORY} at {REVISION}, {size(total)}")


def own_faults(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Tell what is wrong with the files of the checkpoint itself: how, by their paths."""
    return {path: how for path, how in manifest.faults(folder) if not manifest.is_beside(path)}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only set-up at work in a folder; a lock that ends with the process.

    Raises:
        SetupRefused: another one is.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"another bin/setup is at work in {folder}: wait for it"
        raise SetupRefused(message) from error
    finally:
        os.close(descriptor)


def refuse_another(folder: Path) -> None:
    """Make sure that nothing here says it is of another revision.

    Raises:
        SetupRefused: it does.
    """
    for name, revision in claims(folder):
        if revision != REVISION:
            message = (
                f"{folder / name} is of revision {revision}, and this wan22 uses {REVISION} of"
                f" {REPOSITORY}: move {folder} away, or name another folder:"
                " bin/setup --weights FOLDER"
            )
            raise SetupRefused(message)


def claims(folder: Path) -> Iterator[tuple[str, str]]:
    """List what in a folder says which revision it is of: file, revision."""
    manifest = manifest_of(folder)
    if manifest:
        yield MANIFEST, manifest.revision
    with suppress(OSError, ValueError):  # one that is not there, or no use, will be written
        yield DESCRIPTION, Abilities.read(folder).revision
    for note in sorted(folder.glob(".cache/huggingface/download/**/*.metadata")):
        first = note.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        yield note.relative_to(folder).as_posix(), first.strip()


def manifest_of(folder: Path) -> Manifest | None:
    """Read the manifest; one that cannot be read is as good as none."""
    try:
        return Manifest.read(folder)
    except NotWhole:
        return None


def mended(folder: Path, manifest: Manifest | None, wrong: dict[str, str]) -> Manifest:
    """Bring what is missing or wrong, and list all files."""
    files = {
        path: listed
        for path, listed in (manifest.files if manifest else {}).items()
        if path not in wrong
    }
    for path, fault in wrong.items():
        if manifest:
            say(f"{path} {fault}: it is made or fetched again")
        (folder / path).unlink(missing_ok=True)
    for stale in unfinished(folder):
        stale.unlink()
    if manifest is None or set(wrong) - {DESCRIPTION}:
        files = brought(folder, files)
    write_whole(folder / DESCRIPTION, DESCRIBED)
    failpoint("weights.described")
    digest = hashlib.sha256(DESCRIBED).hexdigest()
    files[DESCRIPTION] = Listed(size=len(DESCRIBED), sha256=digest)
    mended = Manifest(repository=REPOSITORY, revision=REVISION, files=dict(sorted(files.items())))
    return with_besides(mended, manifest) if manifest else mended


def with_besides(own: Manifest, before: Manifest) -> Manifest:
    """Let a manifest go on naming what an earlier one says of the folders from elsewhere."""
    files = {path: each for path, each in before.files.items() if before.is_beside(path)}
    return own.model_copy(
        update={
            "files": dict(sorted({**own.files, **files}.items())),
            "besides": before.besides,
            "broken": [path for path in before.broken if before.is_beside(path)],
        }
    )


def online() -> None:
    """Let the hub's client ask its hub, once it is imported.

    It reads these then. Rendering has set the first, for itself; without the second the client
    would also tell the hub what else runs here.
    """
    os.environ.pop("HF_HUB_OFFLINE", None)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def brought(folder: Path, kept: Files) -> Files:
    """Download and convert what is not kept; answers all files but the description."""
    online()
    from runner.render.weights import download

    say(f"{REPOSITORY} at {REVISION} comes into {folder}")
    originals = download.listed(REPOSITORY, REVISION)
    unconverted = CONVERTED not in kept
    wanted = [
        each
        for each in originals
        if each.path not in kept and (unconverted or not is_shard(each.path))
    ]
    lacking = download.still_missing(folder, wanted)
    halves = sum(each.size for each in originals if is_shard(each.path)) // 2
    download.check_space(folder, lacking, halves if unconverted else 0)
    download.download(folder, REPOSITORY, REVISION, lacking)
    if unconverted:
        from runner.render.weights.convert import convert

        convert(folder)
    said = {each.path: each.sha256 for each in originals if not is_shard(each.path)}
    return listed(folder, said | {CONVERTED: None}, kept)


def listed(folder: Path, digests: dict[str, str | None], kept: Files) -> Files:
    """List files, each with the SHA-256 that is known of it, or else read now."""
    sizes = {path: (folder / path).stat().st_size for path in digests}
    unread = [path for path, digest in digests.items() if digest is None and path not in kept]
    with Progress("listing", sum(sizes[path] for path in unread)) as progress:
        own = {path: sha256(folder / path, progress.count) for path in unread}
    return {
        path: kept.get(path) or Listed(size=sizes[path], sha256=digest or own[path])
        for path, digest in digests.items()
    }


def tidy(folder: Path) -> None:
    """Remove what a set-up leaves that is whole: shards, and what was fetched in part."""
    for path in filter(is_shard, [*weights(folder)]):
        (folder / path).unlink()
        failpoint("weights.tidied")
    for stale in unfinished(folder):
        stale.unlink()
    if (folder / FETCHING).exists():
        shutil.rmtree(folder / FETCHING)
