"""The file DATA_DIR/.env: who can read it, and whether all that is in it is known."""

import difflib
import os
import pwd
import re
from collections import Counter
from pathlib import Path

from gateway.settings import GatewaySettings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine
from runner.deliver.settings import DeliverSettings
from runner.idle.settings import IdleSettings

KINDS = (GatewaySettings, DeliverSettings, IdleSettings)
FOREIGN = ("AWS_", "HF_", "CUDA_", "NVIDIA_", "PYTORCH_", "OMP_", "SSL_", "LC_", "WAN22_")
OTHERS = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TZ", "LANG", "PATH", "HOME", "TMPDIR"}
NOT_OURS, ALL = 0o077, 0o777
LINE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=")


def dotenv(machine: Machine) -> Finding:
    """Look at the file, without ever telling what is in it."""
    data_dir = machine.data_dir
    file = data_dir / ".env"
    try:
        about = file.stat()
    except FileNotFoundError:
        return warn(f"there is no {file}: settings come from the environment alone", "bin/setup")
    rights = judged_rights(file, about, pwd.getpwuid(data_dir.stat().st_uid))
    if rights:
        return rights
    if not os.access(file, os.R_OK):
        return fail(f"{file} cannot be read by you", "sudo bin/wan22 doctor")
    return judged(file, file.read_text(encoding="utf-8"))


def judged_rights(file: Path, about: os.stat_result, owner: pwd.struct_passwd) -> Finding | None:
    """Judge who can read the file of a user; None if it is right."""
    if about.st_mode & NOT_OURS:
        mode = f"{about.st_mode & ALL:o}"
        return fail(f"{file} has mode {mode}, and keys in it", f"chmod 600 {file}")
    if about.st_uid != owner.pw_uid:
        return fail(
            f"{file} does not belong to {owner.pw_name}, as its folder does",
            f"sudo chown {owner.pw_name} {file}",
        )
    return None


def judged(file: Path, text: str) -> Finding:
    """Judge the lines of the file, which systemd reads too: `NAME=value`, `#` begins a comment."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    wanted = [(number, line) for number, line in lines if line and line[0] not in "#;"]
    broken = [number for number, line in wanted if not LINE.match(line)]
    if broken:
        numbers = ", ".join(map(str, broken))
        return fail(f"{file}, line {numbers}: not NAME=value", "write NAME=value, without `export`")
    names = [line.partition("=")[0] for _, line in wanted]
    unknown = [name for name in names if not is_known(name)]
    if unknown:
        return warn(
            f"{file} has names that wan22 does not know: {', '.join(unknown)}",
            "; ".join(near(name) for name in unknown),
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        return warn(f"{file} says {', '.join(twice)} twice", "leave one: the last counts")
    return ok(f"{file}: mode 600, {len(names)} settings, all known")


def known() -> set[str]:
    """List the names of all settings."""
    return {name.upper() for kind in KINDS for name in kind.model_fields}


def is_known(name: str) -> bool:
    """Tell whether a name is ours, or means something to what wan22 stands on."""
    return name in known() | OTHERS or (name.startswith(FOREIGN) and not close(name))


def close(name: str) -> list[str]:
    """Find the setting that somebody may have meant."""
    return difflib.get_close_matches(name.upper(), known(), 1, 0.7)


def near(name: str) -> str:
    """Say what to write instead."""
    meant = close(name)
    return f"write {meant[0]} for {name}" if meant else f"remove {name}"
