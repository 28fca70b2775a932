"""The folders under DATA_DIR: whose they are, and who may drop files."""

import pwd
import stat
from pathlib import Path

from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

OURS = ("work", "inputs", "inputs/images", "outputs", "tls", "jobs.db", "jobs.db-wal")


def folders(machine: Machine) -> Finding:
    """Look whether all belongs to the user who runs wan22; a command run as root may spoil that."""
    data_dir = machine.data_dir
    return judged(data_dir, data_dir.stat().st_uid)


def judged(data_dir: Path, owner: int) -> Finding:
    """Judge what lies in the folder of a user."""
    there = [data_dir / name for name in OURS if (data_dir / name).exists()]
    strange = [str(path) for path in there if path.stat().st_uid != owner]
    name = pwd.getpwuid(owner).pw_name
    if strange:
        return fail(
            f"{', '.join(strange)} does not belong to {name}, as {data_dir} does",
            f"sudo chown -R {name} {' '.join(strange)}",
        )
    inputs = data_dir / "inputs"
    if inputs.exists() and inputs.stat().st_mode & stat.S_ISVTX:
        return warn(f"{inputs} is sticky: dropped files may get stuck", f"sudo chmod 2770 {inputs}")
    return ok(f"all in {data_dir} belongs to {name}")
