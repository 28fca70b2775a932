"""The hub the weights come from, through its own client; no other file knows that.

The client's own download of a repository begins a file anew when the process was killed (2.4.0:
the unfinished file has a random name and is removed), and it may take several GB of memory for
storage of the kind Xet. So only the transfer of bytes into a file we hold is left to it.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from runner.render.weights.faults import SetupRefused
from runner.render.weights.progress import Count, blob, sha256

AGAIN = "what is here stays, and the next run goes on from it"


@dataclass(frozen=True)
class Original:
    """A file as the hub states it: size in bytes, and what its content is known by.

    Large files (LFS) are known by their SHA-256, the others by the name git gives them. `place` is
    where it goes in the checkpoint; as a rule its path.
    """

    path: str
    place: str
    size: int
    name: str
    sha256: str | None

    def is_in(self, file: Path, count: Count) -> bool:
        """Read a file, and tell whether it is this one."""
        if not file.is_file() or file.stat().st_size != self.size:
            return False
        return self.name == (sha256(file, count) if self.sha256 else blob(file, count))


def files(repository: str, revision: str) -> list[Original]:
    """List the files of a revision.

    Raises:
        SetupRefused: the hub cannot be asked, or has no such revision.
    """
    try:
        tree = list(HfApi().list_repo_tree(repository, recursive=True, revision=revision))
    except RevisionNotFoundError as error:
        message = (
            f"{constants.ENDPOINT} has no revision {revision} of {repository};"
            " is HF_ENDPOINT set to a hub that holds it?"
        )
        raise SetupRefused(message) from error
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise away(error) from error
    return [original(entry) for entry in tree if isinstance(entry, RepoFile)]


def newest(repository: str) -> str:
    """Ask for the newest revision of a repository.

    Raises:
        SetupRefused: the hub cannot be asked, or does not know the repository.
    """
    try:
        revision = HfApi().model_info(repository).sha
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise away(error) from error
    if revision is None:
        message = f"{constants.ENDPOINT} does not say which revision of {repository} is the newest"
        raise SetupRefused(message)
    return revision


def original(entry: RepoFile) -> Original:
    """Take from an entry of the listing what is needed of it."""
    if entry.lfs:
        return Original(entry.path, entry.path, entry.lfs.size, entry.lfs.sha256, entry.lfs.sha256)
    return Original(entry.path, entry.path, entry.size, entry.blob_id, None)


class Arriving(io.BufferedWriter):
    """A file that grows at its end, and whose growth is counted."""

    def __init__(self, path: Path, count: Count) -> None:
        """Open it behind what it already holds."""
        super().__init__(io.FileIO(path, "r+" if path.exists() else "x+"))
        self.seek(0, io.SEEK_END)
        self._counted = count

    def write(self, some: Any, /) -> int:
        """Write, and count it."""
        written = super().write(some)
        self._counted(written)
        return written


def fetch(repository: str, revision: str, wanted: Original, part: Path, count: Count) -> None:
    """Append to a file what it still lacks; a cut is tried again as long as bytes come.

    Args:
        repository: its name at the hub.
        revision: its commit.
        wanted: which of its files.
        part: what came of it earlier, if anything; it is kept when this fails.
        count: is told of the bytes that come.

    Raises:
        SetupRefused: the hub does not give it.
        OSError: the disk is full.
    """
    url = hf_hub_url(repository, wanted.path, revision=revision)
    headers = build_hf_headers(headers={"Accept-Encoding": "identity"})  # else no Range counts
    disable_progress_bars()
    with Arriving(part, count) as file:
        while True:
            before = file.seek(0, io.SEEK_END)
            try:
                http_get(url, file, resume_size=before, headers=headers, expected_size=wanted.size)
            except httpx2.ReadError as error:  # the one cut that the client does not mend itself
                if file.seek(0, io.SEEK_END) == before:
                    raise away(error) from error
            except httpx2.HTTPError as error:
                raise away(error) from error
            except OSError as error:
                if error.errno:
                    raise
                raise away(error) from error
            else:
                return


def away(error: Exception) -> SetupRefused:
    """Say that the hub did not give what was asked, and why."""
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return SetupRefused(
        f"{constants.ENDPOINT} does not give the weights ({why}). Look at this machine's network"
        f" (and at HF_ENDPOINT, HTTPS_PROXY, if they are set), then run again: {AGAIN}"
    )
