"""The picture that a job file names: a file that lies beside it."""

import re
import stat

from gateway.intake.dropped import Dropped, NotYet
from gateway.pictures import LIMIT_BYTES
from gateway.problems import Problem

FIELD = "image_path"
NAME = re.compile(r"[^/\x00]{1,255}")
COMES_NS = 60_000_000_000  # how long a job file waits for its picture
SLOWEST_NS = 30_000_000_000  # a picture that cannot be read may still be written, for so long


def read_beside(folder: int, name: object, job_file: Dropped, now_ns: int) -> bytes:
    """Read the picture that a job file names.

    Raises:
        NotYet: it is not there yet, or being written.
        Problem: it is no name of a file in the folder, or no plain file, or did not come.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in {".", ".."}:
        message = f"{FIELD} is the name of a picture beside the job file, without a folder."
        raise Problem.of("field_wrong", message, FIELD)
    try:
        picture = Dropped.look(folder, name)
    except FileNotFoundError as error:
        if job_file.changed_within(COMES_NS, now_ns):
            message = f"the picture {name!r} is not there yet"
            raise NotYet(message) from error
        message = f"{FIELD}: there is no {name!r} beside the job file; drop both again."
        raise Problem.of("image_missing", message, FIELD) from error
    except (OSError, ValueError) as error:
        message = f"{FIELD} is no name that a file can have."
        raise Problem.of("field_wrong", message, FIELD) from error
    if not stat.S_ISREG(picture.mode) or picture.links > 1:
        message = f"{FIELD} names no plain file: no link, folder or device."
        raise Problem.of("field_wrong", message, FIELD)
    if not picture.rests(now_ns):
        raise NotYet
    message = f"{FIELD} is larger than {LIMIT_BYTES >> 20} MiB; send a smaller image."
    return picture.read(folder, LIMIT_BYTES, Problem.of("image_invalid", message, FIELD))


def may_still_grow(folder: int, name: object, now_ns: int) -> bool:
    """Tell whether a picture that is none may be one by and by."""
    try:
        return Dropped.look(folder, str(name)).changed_within(SLOWEST_NS, now_ns)
    except (OSError, ValueError):
        return False
