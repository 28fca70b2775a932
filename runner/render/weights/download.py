"""Files of the hub come into a folder: only the needed ones, resumed where they stopped, checked.

A file under its own name is whole: it was compared with what the hub states before it got it.
"""

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from jobstore.failpoints import failpoint
from jobstore.files import publish
from runner.render.weights import hub
from runner.render.weights.faults import SetupRefused
from runner.render.weights.hub import Original
from runner.render.weights.layout import FETCHING
from runner.render.weights.progress import Progress, say, size, some_at_once

PARTS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")
TRANSFORMER = "transformer/"
AT_ONCE = 2
TRIES = 2


def needed(path: str) -> bool:
    """Tell whether a file of the repository belongs to the checkpoint; no other path is taken."""
    match PurePosixPath(path).parts:
        case (name,):
            return name == "model_index.json" or name.startswith("LICENSE")
        case (part, name):
            return part in PARTS and not name.startswith(".")
    return False


def listed(repository: str, revision: str) -> list[Original]:
    """List the files that are needed of a revision.

    Raises:
        SetupRefused: the hub cannot be asked, or what it has is not the checkpoint.
    """
    originals = [each for each in hub.files(repository, revision) if needed(each.path)]
    found = {PurePosixPath(each.path).parts[0] for each in originals}
    lacking = sorted({"model_index.json", *PARTS} - found)
    if lacking:
        message = (
            f"{repository} at {revision} has no {', '.join(lacking)};"
            " is HF_ENDPOINT set to a hub that holds it?"
        )
        raise SetupRefused(message)
    return originals


def transformer(repository: str, revision: str, place: str) -> list[Original]:
    """List the files of a revision's transformer; they go into the folder `place`.

    Raises:
        SetupRefused: the hub cannot be asked, or has none there.
    """
    found = {
        each.path.removeprefix(TRANSFORMER): each
        for each in hub.files(repository, revision)
        if each.path.startswith(TRANSFORMER)
    }
    originals = [
        replace(each, place=f"{place}/{name}")
        for name, each in found.items()
        if re.fullmatch(r"config\.json|[\w-]+\.safetensors(\.index\.json)?", name)
    ]
    if "config.json" not in found or len(originals) == 1:
        message = f"{repository} at {revision} has no transformer in the form that is needed here"
        raise SetupRefused(message)
    return originals


def still_missing(folder: Path, originals: Iterable[Original]) -> list[Original]:
    """Read what is already there, and keep those files that are as the hub states them."""
    candidates = list(originals)
    here = [each for each in candidates if of_its_size(folder / each.place, each)]
    with Progress("reading what is here", sum(each.size for each in here)) as progress:
        right = some_at_once(
            lambda each: each.is_in(folder / each.place, progress.count), here, AT_ONCE
        )
    kept = {each.place for each, is_right in zip(here, right, strict=True) if is_right}
    return [each for each in candidates if each.place not in kept]


def of_its_size(file: Path, original: Original) -> bool:
    """Tell whether a file is there and may be this one."""
    return file.is_file() and file.stat().st_size == original.size


def part_of(folder: Path, original: Original) -> Path:
    """Say where a file grows: named by its content, so that no revision takes up another's."""
    return folder / FETCHING / original.name


def already(folder: Path, original: Original) -> int:
    """Tell how many bytes of a missing file came earlier."""
    part = part_of(folder, original)
    return part.stat().st_size if part.exists() else 0


def check_space(folder: Path, originals: list[Original], besides: int) -> None:
    """Make sure that there is room for files, and for some bytes besides.

    Raises:
        SetupRefused: with the figures.
    """
    lacking = sum(each.size - already(folder, each) for each in originals)
    replaced = sum(size_of(folder / each.place) for each in originals)
    required = lacking + besides - replaced
    free = shutil.disk_usage(folder).free
    say(
        f"{size(lacking)} to download, {size(besides)} for the conversion; {size(free)} free"
        + (f", {size(replaced)} more with what is replaced" if replaced else "")
    )
    if required > free:
        message = (
            f"{folder} needs {required} bytes more ({size(required)}) and has {free}"
            f" ({size(free)}): make room for {size(required - free)}, or name a folder on a larger"
            " disk (bin/setup --weights FOLDER, and the same as MODEL_DIR)"
        )
        raise SetupRefused(message)


def size_of(file: Path) -> int:
    """Tell the size of a file in bytes, 0 if there is none."""
    return file.stat().st_size if file.is_file() else 0


def download(folder: Path, repository: str, revision: str, originals: list[Original]) -> None:
    """Bring files of a revision into a folder.

    Raises:
        SetupRefused: the hub is away, or a file arrived altered twice.
        OSError: the disk is full.
    """
    (folder / FETCHING).mkdir(exist_ok=True)
    lacking = sum(each.size - already(folder, each) for each in originals)
    with Progress("download", lacking) as progress:

        def one(original: Original) -> None:
            arrive(folder, repository, revision, original, progress)

        some_at_once(one, originals, AT_ONCE)


def arrive(
    folder: Path, repository: str, revision: str, original: Original, progress: Progress
) -> None:
    """Bring one file, compare it with what the hub states, and give it its name."""
    part, target = part_of(folder, original), folder / original.place
    target.unlink(missing_ok=True)
    target.parent.mkdir(exist_ok=True)
    for _ in range(TRIES):
        if already(folder, original) > original.size:
            part.unlink()
        hub.fetch(repository, revision, original, part, progress.count)
        if original.is_in(part, lambda _: None):
            publish(part, target)
            failpoint("weights.fetched")
            return
        part.unlink()
        say(f"{original.place} arrived altered; it is thrown away")
    message = (
        f"{original.place} arrived altered {TRIES} times: something on the way (a proxy, a mirror"
        " in HF_ENDPOINT, this machine's memory) changes it. Mend that, then run again"
    )
    raise SetupRefused(message)
