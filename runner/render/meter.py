"""What a render took: seconds for each phase, and memory at its peak."""

import contextlib
import re
import time
from collections import defaultdict
from pathlib import Path

import torch

from jobstore.job import Phase

PROCESS = Path("/proc/self")


class Meter:
    """Measures one render, from its making until it is read."""

    def __init__(self) -> None:
        """Forget the peaks of what was before; phases are told as they begin."""
        with contextlib.suppress(OSError):  # where that is forbidden, the peak is the process's
            (PROCESS / "clear_refs").write_text("5")
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._spent_s: defaultdict[str, float] = defaultdict(float)
        self._phase: Phase | None = None
        self._since = time.monotonic()

    def tell(self, phase: Phase, _done: int = 0) -> None:
        """Hear how far the render is; a phase lasts until another one is told of."""
        now = time.monotonic()
        if self._phase:
            self._spent_s[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def timings_s(self) -> dict[str, float]:
        """Give the seconds of each phase so far; one that came twice counts twice."""
        if self._phase:
            self.tell(self._phase)
        return {phase: round(spent_s, 3) for phase, spent_s in self._spent_s.items()}

    @staticmethod
    def peaks() -> dict[str, int | None]:
        """Give the peaks of memory in bytes; those of a card are null where there is none.

        Source:
            proc_pid_status(5): VmHWM, in kB; proc_pid_clear_refs(5): writing 5 resets it.
        """
        status = (PROCESS / "status").read_text(encoding="ascii")
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        cuda = torch.cuda.is_available()
        return {
            "host_rss_bytes": int(found[1]) * 1024 if found else None,
            "gpu_allocated_bytes": torch.cuda.max_memory_allocated() if cuda else None,
            "gpu_reserved_bytes": torch.cuda.max_memory_reserved() if cuda else None,
        }
