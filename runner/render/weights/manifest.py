"""The manifest: what a whole checkpoint consists of, written last, so that it says "whole"."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from jobstore.abilities import Abilities
from jobstore.files import write_whole
from runner.render.weights.faults import NotWhole

MANIFEST = "manifest.json"


class Listed(BaseModel):
    """One file: its size in bytes, and the SHA-256 of its content in hexadecimal digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Origin(BaseModel):
    """A repository at the hub, and which revision of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str


class Manifest(BaseModel):
    """The files of a checkpoint by their path in it, and where they come from.

    `besides` names the folders whose files come from elsewhere: transformers that only one preset
    needs. `broken` names the files that a check found altered: until they are mended, nothing is
    whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(ge=1, le=1)] = 1
    repository: str
    revision: str
    files: dict[str, Listed]
    besides: dict[str, Origin] = {}
    broken: list[str] = []

    def is_beside(self, path: str) -> bool:
        """Tell whether a file is of a folder that comes from elsewhere."""
        return path.partition("/")[0] in self.besides

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """Read the manifest of a checkpoint; None if it has none.

        Raises:
            NotWhole: there is one, and it cannot be read.
        """
        try:
            return cls.model_validate_json((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise NotWhole(folder, f"{MANIFEST} is no manifest ({type(error).__name__})") from error

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_whole(folder / MANIFEST, f"{self.model_dump_json(indent=2)}\n".encode())

    def faults(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Tell each file that is known to be wrong, and how, without reading any."""
        for path, listed in sorted(self.files.items()):
            file = folder / path
            if not file.is_file():
                yield path, "is missing"
            elif (size := file.stat().st_size) != listed.size:
                yield path, f"has {size} bytes instead of {listed.size}"
            elif path in self.broken:
                yield path, "was found altered"


def look_at(folder: Path, beside: str | None = None) -> None:
    """Make sure that a checkpoint with a manifest is what that says; cheap, no file is read.

    A checkpoint without one, as the embedded model, is as it is.

    Args:
        folder: the checkpoint.
        beside: look at this one of its `besides` instead of all that is none of them.

    Raises:
        NotWhole: it is of another revision than its description, or a file has another size, is
            missing, or was found altered.
    """
    manifest = Manifest.read(folder)
    if manifest is None:
        return
    described = Abilities.read(folder).revision
    if manifest.revision != described:
        fault = f"{MANIFEST} is of revision {manifest.revision}, wan22.json of {described}"
        raise NotWhole(folder, f"{fault}; weights of your own need no {MANIFEST}: remove it, or")
    for path, fault in manifest.faults(folder):
        whose = path.partition("/")[0] if manifest.is_beside(path) else None
        if whose == beside:
            raise NotWhole(folder, f"{path} {fault}")
