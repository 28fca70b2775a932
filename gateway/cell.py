"""A cell: a process gives up all it can do without before it reads what a stranger has sent.

Once locked, it cannot open a file or a connection, start a program, look into another process, or
write more than its answer; its memory and time have an end; and it ends with whoever started it.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
from pathlib import Path
from typing import NamedTuple

STDOUT, STDERR = 1, 2
LOCKED = b"locked\n"
PDEATHSIG, NO_NEW_PRIVS = 1, 38  # Source: linux/prctl.h
ENDED_FIRST = "1000"  # Source: proc(5), oom_score_adj: whom the kernel ends when memory runs out
# Source: asm-generic/unistd.h and linux/landlock.h: since which version what can be forbidden: what
# can be done with files, then with the network, then with others' signals and sockets.
CREATE_RULESET, RESTRICT_SELF, ASK_VERSION = 444, 446, 1
FORBIDDEN_SINCE = ((6, (0xFFFF, 3, 3)), (3, (0x7FFF,)), (1, (0x1FFF,)))


class Limits(NamedTuple):
    """What a process in a cell may use: of address space, of a core, and of room to write."""

    memory_bytes: int
    cpu_s: int
    answer_bytes: int


def lock(limits: Limits, parent: int) -> None:
    """Lock this process in, for good, and say so on stdout.

    What it needs of modules and files is there by now.

    Args:
        limits: what it may use.
        parent: the process that started it, and that it does not outlive.

    Raises:
        OSError: this machine does not let it, or the parent has ended already.
    """
    call("prctl", PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError(parent)
    with contextlib.suppress(
        OSError
    ):  # of no more use than to choose well; not every /proc takes it
        Path("/proc/self/oom_score_adj").write_text(ENDED_FIRST, encoding="ascii")
    call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    isolate()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NPROC, 0)
    limit(resource.RLIMIT_FSIZE, limits.answer_bytes)
    limit(resource.RLIMIT_AS, limits.memory_bytes)
    # At the first a signal comes that tells it from others, a second later SIGKILL.
    limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1)
    limit(resource.RLIMIT_NOFILE, 0)
    os.close(STDERR)
    os.write(STDOUT, LOCKED)


def isolate() -> None:
    """Keep this process from all files, from the memory of others, and from signals to them.

    It takes Landlock, which not every kernel has; without it the limits have to do. Forbidden is
    whatever this version of it can forbid.

    Raises:
        OSError: the kernel has it, but refuses.
    """
    version = landlock()
    forbidden = next((what for since, what in FORBIDDEN_SINCE if since <= version), None)
    if forbidden is None:
        return
    given = struct.pack(f"{len(forbidden)}Q", *forbidden)
    ruleset = call("syscall", CREATE_RULESET, given, len(given), 0)
    call("syscall", RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def landlock() -> int:
    """Tell which version of Landlock this kernel has; 0 is none."""
    try:
        return call("syscall", CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


def call(name: str, *arguments: int | bytes | None) -> int:
    """Call the system where Python has no function for it.

    Raises:
        OSError: it refuses.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    given = [ctypes.c_long(it) if isinstance(it, int) else ctypes.c_char_p(it) for it in arguments]
    result: int = function(*given)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name} {arguments[0]!r}")
    return result


def limit(what: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; where it is lower already, it stays."""
    _, before = resource.getrlimit(what)
    most = soft if hard is None else hard
    if before != resource.RLIM_INFINITY:
        most = min(most, before)
    resource.setrlimit(what, (min(soft, most), most))
