"""The Python that runs wan22, and where it lies."""

import sys
from pathlib import Path

from local.doctor.finding import Finding, fail, ok
from local.doctor.machine import Machine

LEAST = (3, 11)
HOMES = (Path("/home"), Path("/root"))


def python(machine: Machine) -> Finding:
    """Look at the Python that this is."""
    installed = machine.release.is_relative_to("/opt")
    return judged(sys.version_info[:2], Path(sys.base_prefix).resolve(), installed=installed)


def judged(version: tuple[int, ...], prefix: Path, *, installed: bool) -> Finding:
    """Judge a Python; where wan22 is installed for systemd, its units can look into no home."""
    found = f"Python {'.'.join(map(str, version))} in {prefix}"
    if version < LEAST:
        return fail(f"{found}, which is too old", "bin/setup, which brings its own")
    if installed and any(prefix.is_relative_to(home) for home in HOMES):
        return fail(f"{found}: no unit of systemd can read it there", "bin/setup, as root")
    return ok(found)
