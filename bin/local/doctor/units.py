"""The units of systemd, where there is systemd."""

import shutil
import subprocess

from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

UNITS = "etc/systemd/system"
ANEW = "sudo bin/setup"
NONE = "no systemd here: bin/start runs the three processes"
KINDS = (".service", ".target", ".timer")
STAGES = ("wan22-gateway.service", "wan22-render.service", "wan22-deliver.service")
TARGET = "wan22.target"
START = f"sudo systemctl start {TARGET}"
ENABLE = f"sudo systemctl enable {TARGET}"


def installed(machine: Machine) -> Finding:
    """Look whether the units are there, and those of this release."""
    if not runs_systemd(machine):
        return ok(NONE)
    folder = machine.root / UNITS
    missing = [name for name in names(machine) if not (folder / name).is_file()]
    if missing:
        return fail(f"not installed: {', '.join(missing)}", ANEW)
    release = machine.release / "bin" / "systemd"
    other = [
        name
        for name in names(machine)
        if (folder / name).read_bytes() != (release / name).read_bytes()
    ]
    if other:
        return warn(f"of another release, or altered by hand: {', '.join(other)}", ANEW)
    return ok(f"{', '.join(names(machine))}: those of this release")


def active(machine: Machine) -> Finding:
    """Look whether systemd runs them now, and will when the machine starts."""
    if not runs_systemd(machine):
        return ok(NONE)
    stages = [name for name in names(machine) if name in STAGES]
    states = {unit: systemctl("is-active", unit) for unit in stages}
    idle = [f"{unit} is {state}" for unit, state in states.items() if state != "active"]
    if idle:
        return fail(", ".join(idle), f"{START}; then: journalctl -u wan22-render -n 50")
    if TARGET in names(machine) and (state := systemctl("is-enabled", TARGET)) != "enabled":
        return warn(f"{TARGET} is {state}: it is not started with the machine", ENABLE)
    return ok(f"{len(stages)} stages run, and are started with the machine")


def runs_systemd(machine: Machine) -> bool:
    """Tell whether systemd is what runs this machine, as its own programs do.

    Source:
        sd_booted(3): the folder is there if and only if it is.
    """
    return (machine.root / "run" / "systemd" / "system").is_dir()


def names(machine: Machine) -> list[str]:
    """List the units of this release."""
    folder = machine.release / "bin" / "systemd"
    return sorted(file.name for file in folder.glob("*") if file.suffix in KINDS)


def systemctl(word: str, unit: str) -> str:
    """Ask systemd for one word about a unit."""
    program = shutil.which("systemctl") or "systemctl"
    asked = subprocess.run(
        [program, word, unit], capture_output=True, text=True, timeout=10, check=False
    )
    return asked.stdout.strip() or "unknown"
