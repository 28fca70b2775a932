"""The memory of the machine."""

from collections.abc import Mapping

from jobstore import settings
from jobstore.settings import ModelSettings
from local.doctor.finding import Finding, fail, gib, ok, warn
from local.doctor.machine import Machine
from runner.render.heap import is_large

GIB = 1 << 30
NEEDED_BYTES = 12 * GIB
GOOD_BYTES = 15 * GIB  # a machine of 16 GiB keeps some of it from us
TAKE = "take a machine with 16 GiB, such as g5.xlarge"


def memory(machine: Machine) -> Finding:
    """Look at RAM and swap; the embedded model needs little."""
    text = (machine.root / "proc" / "meminfo").read_text(encoding="ascii")
    lines = (line.split() for line in text.splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
    return judged(sizes, large=is_large(settings.read(ModelSettings).model))


def judged(sizes: Mapping[str, int], *, large: bool) -> Finding:
    """Judge sizes in bytes, as /proc/meminfo names them."""
    total, swap = sizes["MemTotal"], sizes["SwapTotal"]
    found = f"{gib(total)} of RAM, {gib(sizes['MemAvailable'])} free, {gib(swap)} of swap"
    if not large:
        return ok(f"{found}; enough for a small model")
    if total < NEEDED_BYTES:
        return fail(f"{found}; the 5B needs {gib(NEEDED_BYTES)}", TAKE)
    if total < GOOD_BYTES and not swap:
        return warn(f"{found}; the 5B just fits", f"{TAKE}, or add swap")
    return ok(found)
