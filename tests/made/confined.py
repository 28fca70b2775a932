"""What systemd would do to a process of a unit, as far as it can be done without systemd.

`python confined.py UNIT COMMAND...` forbids itself what the unit forbids by seccomp, with the same
library, and becomes the command. The mounts, the user and the capabilities are `MOUNTS`' business.
Not here: control groups (memory, devices, addresses), the watchdog, and restarts.
"""

import ctypes
import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# Source: linux/seccomp.h by way of seccomp.h; clone flags of linux/sched.h.
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
EQUAL, MASKED = 4, 7
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
EXECUTABLE, WRITABLE = 4, 2
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
SETUID, SETGID = 0o4000, 0o2000
INSIDE = "/srv"
HIDDEN = (tempfile.gettempdir(), "/home")

# In a mount namespace of its own: the folder is at INSIDE, and nothing else can be written; what
# is under /home is out of sight, and of /proc only one's own processes are in it. $1: the folder;
# $2: yes or no, whether only processes are in /proc; $3: what can be hidden, since this checkout
# and its Python are not in it; the rest is what is run.
MOUNTS = """
set -eu
folder=$1 subset=$2 hidden=$3; shift 3
mount --bind "$folder" /srv
for place in $hidden; do mount -t tmpfs tmpfs "$place"; done
for place in $(cut -d' ' -f5 /proc/self/mountinfo); do
    case $place in /srv|/tmp|/proc|/proc/*|/sys|/sys/*|/dev|/dev/*) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || echo "stays writable: $place" >&2
done
if [ "$subset" = yes ]; then
    mount -t proc -o hidepid=invisible,subset=pid proc /proc
fi
exec setpriv $DROP --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- "$@"
"""


class Comparison(ctypes.Structure):
    """A condition on an argument of a call."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class Filter:
    """One filter of system calls, as libseccomp loads it."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._filter = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, name: str, *conditions: tuple[int, int, int, int]) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # none of this machine, or of this library
            return
        given = (Comparison * len(conditions))(*(Comparison(*it) for it in conditions))
        self._done("seccomp_rule_add_array", ctypes.c_uint32(action), number, len(given), given)

    def load(self) -> None:
        self._done("seccomp_load")

    def _done(self, name: str, *arguments: Any) -> None:
        result = getattr(self._library, name)(self._filter, *arguments)
        if result < 0:
            raise OSError(-result, name)


def directives(unit: Path) -> Iterator[tuple[str, str]]:
    """Read the settings of a unit, in their order."""
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, is_one, value = line.partition("=")
        if is_one and not line.startswith(("#", "[")):
            yield name, value


def setting(unit: Path, name: str) -> str:
    """Read one of them, the last of its name."""
    return dict(directives(unit)).get(name, "")


def members(name: str) -> set[str]:
    """List the calls of a group, as the systemd of this machine has it."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    inner = {line.strip() for line in told[1:] if line.strip() and "#" not in line}
    return set().union(*map(members, inner))


def allowed(unit: Path) -> set[str]:
    """Work out which calls a unit allows: lists are taken one after the other."""
    calls = members("@default")
    for name, value in directives(unit):
        if name == "SystemCallFilter":
            listed = set().union(*map(members, value.removeprefix("~").split()))
            calls = calls - listed if value.startswith("~") else calls | listed
    return calls


def confine(unit: Path, calls: set[str]) -> None:
    """Give up, for good, what a unit forbids; the list of allowed calls comes last."""
    given = dict(directives(unit))
    others = Filter(ALLOW)
    if given.get("MemoryDenyWriteExecute") == "yes":
        both = EXECUTABLE | WRITABLE
        others.add(REFUSE | errno.EPERM, "mmap", (2, MASKED, both, both))
        for name in ("mprotect", "pkey_mprotect"):
            others.add(REFUSE | errno.EPERM, name, (2, MASKED, EXECUTABLE, EXECUTABLE))
    if given.get("RestrictNamespaces") == "yes":
        others.add(REFUSE | errno.EPERM, "setns")
        others.add(REFUSE | errno.ENOSYS, "clone3")  # its flags cannot be looked at
        for flag in NAMESPACES:
            others.add(REFUSE | errno.EPERM, "unshare", (0, MASKED, flag, flag))
            others.add(REFUSE | errno.EPERM, "clone", (0, MASKED, flag, flag))
    if given.get("RestrictSUIDSGID") == "yes":
        for bit in (SETUID, SETGID):
            for place, name in enumerate(("fchmod", "fchmodat"), 1):
                others.add(REFUSE | errno.EPERM, name, (place, MASKED, bit, bit))
            others.add(REFUSE | errno.EPERM, "chmod", (1, MASKED, bit, bit))
    families = {FAMILIES[name] for name in given.get("RestrictAddressFamilies", "").split()}
    for family in set(range(46)) - families if families else ():
        others.add(REFUSE | errno.EAFNOSUPPORT, "socket", (0, EQUAL, family, 0))
    others.load()
    only = Filter(REFUSE | errno.EPERM)
    for name in sorted(calls | {"seccomp"}):  # the filter itself, which is loaded with it
        only.add(ALLOW, name)
    only.load()


def hidden() -> list[str]:
    """List the places to hide in which there is nothing of ours."""
    ours = [Path(sys.executable).resolve(), Path(sys.prefix), Path(__file__)]
    return [place for place in HIDDEN if not any(it.is_relative_to(place) for it in ours)]


def may_be_another() -> bool:
    """Tell whether a user who has no rights at all can run this Python, and we can become him."""
    python = Path(sys.executable).resolve()
    open_to_all = all(folder.stat().st_mode & 0o001 for folder in python.parents)
    return open_to_all and os.getuid() == 0


def command(unit: Path, folder: Path, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Put together what runs a command like that, and the environment it needs besides."""
    subset = "yes" if setting(unit, "ProcSubset") == "pid" else "no"
    own = ["unshare", "--mount", "--propagation=private"]
    if os.getuid():
        own.append("--map-root-user")
    drop = "--reuid=65534 --regid=65534 --clear-groups" if may_be_another() else ""
    inner = [sys.executable, "-P", __file__, str(unit), *words]
    script = ["sh", "-c", MOUNTS, "sh", str(folder), subset, " ".join(hidden())]
    return [*own, *script, *inner], {"DROP": drop, "TMPDIR": INSIDE}


if __name__ == "__main__":
    told = Path(sys.argv[1])
    confine(told, allowed(told))
    os.execv(sys.argv[2], sys.argv[2:])
