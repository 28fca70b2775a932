"""A checkpoint on a real small disk that is full: said, nothing half, the step before stays."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import torch

from runner.render.checkpoint import Checkpoint, find, write

MOUNT = ["unshare", "--map-root-user", "--mount"]
FULL = """
mount -t tmpfs -o size=1m small "$1" && head -c 2m /dev/zero > "$1/ballast"
exec "$2" -P "$3" "$1"
"""


def test_a_full_disk_ends_no_render(tmp_path: Path) -> None:
    """A real small disk; the step before it was full stays."""
    may = subprocess.run([*MOUNT, "true"], capture_output=True, text=True, check=False)
    assert may.returncode == 0, may.stderr
    (tmp_path / "small").mkdir()
    command = ["sh", "-c", FULL, "sh", str(tmp_path / "small"), sys.executable, __file__]
    run = subprocess.run([*MOUNT, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert os.strerror(errno.ENOSPC) in run.stdout
    assert run.stdout.splitlines()[-1] == "kept 1 []"


def fill_the_disk(folder: Path) -> None:
    """Run in a process that alone sees the small disk: keep a step, fill it, keep two more."""
    whose = {"format": "1"}
    first = folder / "J1.1.ckpt"
    (folder / "ballast").unlink()
    write(first, whose, Checkpoint(1, torch.zeros(4), {}))
    (folder / "ballast").write_bytes(bytes(900 << 10))
    for number in (2, 3):
        try:
            write(first, whose, Checkpoint(number, torch.zeros(1 << 20), {}))
        except OSError as error:
            print(error)
    found = find(folder, "J1", whose)
    print("kept", found and found.step, [file.name for file in folder.glob(".*")])


if __name__ == "__main__":
    fill_the_disk(Path(sys.argv[1]))
