"""A real journal of systemd, written from the logs of real processes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

WRITER = "/lib/systemd/systemd-journal-remote"
WRAPPER = '#!/bin/sh\nexec {program} --directory={folder} "$@"\n'
BOOT = "0" * 31 + "1"
MACHINE = "0" * 31 + "2"
EXITED = "{unit}: Main process exited, code=killed, status=9/KILL"


def write(folder: Path, logs: Path) -> dict[str, str]:
    """Write what the processes said as systemd would have, and what systemd says of one of them.

    Answers an environment in which `journalctl` reads this journal.

    Source:
        systemd.io/JOURNAL_EXPORT_FORMATS; fields of a service's output and of systemd's own lines:
        systemd.journal-fields(7).
    """
    journal = folder / "journal"
    journal.mkdir(parents=True)
    entries = sorted(entries_of(logs), key=lambda entry: int(entry["__REALTIME_TIMESTAMP"]))
    text = "".join(
        "".join(f"{name}={value}\n" for name, value in entry.items()) + "\n" for entry in entries
    )
    command = [WRITER, "-o", str(journal / "wan22.journal"), "-"]
    wrote = subprocess.run(command, input=text.encode(), check=True, capture_output=True)
    assert f"writing {len(entries)} entries" in wrote.stderr.decode()
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "journalctl"
    wrapper.write_text(WRAPPER.format(program=shutil.which("journalctl"), folder=journal))
    wrapper.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def entries_of(logs: Path) -> Iterator[dict[str, str]]:
    """Make an entry of each line; each process is a unit."""
    for stage in ("gateway", "render", "deliver"):
        unit = f"wan22-{stage}.service"
        at = 0
        for line in (logs / f"{stage}.log").read_text(encoding="utf-8").splitlines():
            at = micros(json.loads(line)["timestamp"]) if line.startswith("{") else at + 1
            output = {"_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "python", "_PID": "100"}
            yield entry(at, line, {**output, "_SYSTEMD_UNIT": unit})
        own = {"_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "_PID": "1", "UNIT": unit}
        yield entry(at, EXITED.format(unit=unit), {**own, "_SYSTEMD_UNIT": "init.scope"})


def entry(at: int, message: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Make one entry of a moment, microseconds since 1970."""
    return {
        "__REALTIME_TIMESTAMP": str(at),
        "__MONOTONIC_TIMESTAMP": str(at - micros("2026-01-01T00:00:00Z")),
        "_BOOT_ID": BOOT,
        "_MACHINE_ID": MACHINE,
        "PRIORITY": "6",
        "MESSAGE": message,
        **fields,
    }


def micros(moment: str) -> int:
    """Read a moment as our logs write it."""
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000)
