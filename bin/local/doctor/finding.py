"""What a check found, and the line that mends it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is: `warn` is for a person to know, with `fail` something cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One answer; what is not right has a line that mends it."""

    state: State
    found: str
    mend: str = ""


def ok(found: str) -> Finding:
    """Say that it is right."""
    return Finding(State.OK, found)


def warn(found: str, mend: str) -> Finding:
    """Say that it works, and might not for long, or not well."""
    return Finding(State.WARN, found, mend)


def fail(found: str, mend: str) -> Finding:
    """Say that something cannot work."""
    return Finding(State.FAIL, found, mend)


def gib(size_bytes: float) -> str:
    """Write a size in GiB."""
    return f"{size_bytes / (1 << 30):.1f} GiB"
