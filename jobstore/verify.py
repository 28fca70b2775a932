"""Whether a video file is still the one that was rendered, as its sidecar tells."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from jobstore.errors import VideoDiffers

FORMAT = 1


class Described(BaseModel):
    """What a sidecar says of its video's bytes."""

    size_bytes: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Sidecar(BaseModel):
    """The part of a sidecar that is needed here; it has more to tell."""

    format: Literal[1]
    job_id: str
    video: Described


def verify(file: Path, sidecar: Path) -> Sidecar:
    """Check a video file against its sidecar, byte for byte; answers what the sidecar says.

    Raises:
        VideoDiffers: it is another file, or one of the two is no such thing; the message says what.
    """
    said = read(sidecar)
    try:
        size_bytes = file.stat().st_size
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}."
        raise VideoDiffers(message) from error
    differences = []
    if size_bytes != said.video.size_bytes:
        differences.append(f"it has {size_bytes} bytes and should have {said.video.size_bytes}")
    if sha256 != said.video.sha256:
        differences.append(f"its SHA-256 is {sha256} and should be {said.video.sha256}")
    if differences:
        message = f"{file} is not the video of job {said.job_id}: {'; '.join(differences)}."
        raise VideoDiffers(message)
    return said


def read(sidecar: Path) -> Sidecar:
    """Read a sidecar.

    Raises:
        VideoDiffers: it cannot be read, or it is none.
    """
    try:
        return Sidecar.model_validate_json(sidecar.read_bytes())
    except OSError as error:
        message = f"The sidecar {sidecar} cannot be read: {error.strerror}."
        raise VideoDiffers(message) from error
    except ValidationError as error:
        message = f"{sidecar} is no sidecar of wan22."
        raise VideoDiffers(message) from error
