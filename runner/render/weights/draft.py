"""`bin/setup --weights --draft`: the transformer of `draft` comes beside those of the checkpoint.

It is published in a repository of its own, in bfloat16, so nothing is converted. Which revision was
its newest when it first came stands in the manifest, and is kept to.
"""

from pathlib import Path

from runner.render.describe import DRAFT_REPOSITORY
from runner.render.weights.bring import alone, listed, manifest_of, online, tidy
from runner.render.weights.faults import NotWhole
from runner.render.weights.layout import DRAFT
from runner.render.weights.manifest import MANIFEST, Manifest, Origin
from runner.render.weights.progress import say, size


def is_there(folder: Path) -> bool:
    """Tell whether a checkpoint is one with it, as far as its manifest can be read."""
    manifest = manifest_of(folder)
    return manifest is not None and DRAFT in manifest.besides


def bring_draft(folder: Path) -> None:
    """Make it whole in a checkpoint that is whole otherwise.

    Raises:
        NotWhole: the checkpoint has no manifest.
        SetupRefused: the hub is away, or has no such transformer, or there is no room.
        OSError: the disk is full, or broken.
    """
    with alone(folder):
        manifest = Manifest.read(folder)
        if manifest is None:
            raise NotWhole(folder, f"{MANIFEST} is missing")
        wrong = {path: how for path, how in manifest.faults(folder) if manifest.is_beside(path)}
        if wrong or DRAFT not in manifest.besides:
            manifest = mended(folder, manifest, wrong)
            manifest.write(folder)
        tidy(folder)
    origin = manifest.besides[DRAFT]
    total = sum(each.size for path, each in manifest.files.items() if manifest.is_beside(path))
    say(
        f"{folder / DRAFT} is whole: {origin.repository} at {origin.revision}, {size(total)};"
        " restart the gateway and the render stage if they run"
    )


def mended(folder: Path, manifest: Manifest, wrong: dict[str, str]) -> Manifest:
    """Bring what is missing or wrong; its `config.json` last, by which it is known to be there."""
    online()
    from runner.render.weights import download, hub

    for path, fault in wrong.items():
        say(f"{path} {fault}: it is fetched again")
        (folder / path).unlink(missing_ok=True)
    origin = manifest.besides.get(DRAFT) or Origin(
        repository=DRAFT_REPOSITORY, revision=hub.newest(DRAFT_REPOSITORY)
    )
    say(f"{origin.repository} at {origin.revision} comes into {folder / DRAFT}")
    kept = {
        path: each
        for path, each in manifest.files.items()
        if manifest.is_beside(path) and path not in wrong
    }
    originals = download.transformer(origin.repository, origin.revision, DRAFT)
    wanted = [each for each in originals if each.place not in kept]
    lacking = download.still_missing(folder, wanted)
    download.check_space(folder, lacking, 0)
    for last in (False, True):
        now = [each for each in lacking if each.place.endswith("/config.json") == last]
        download.download(folder, origin.repository, origin.revision, now)
    files = listed(folder, {each.place: each.sha256 for each in originals}, kept)
    rest = {path: each for path, each in manifest.files.items() if not manifest.is_beside(path)}
    return manifest.model_copy(
        update={
            "files": dict(sorted({**rest, **files}.items())),
            "besides": {DRAFT: origin},
            "broken": [path for path in manifest.broken if path in rest],
        }
    )
