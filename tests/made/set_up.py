"""A folder that stands for a machine's disk, set up by our own command."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent
Done = subprocess.CompletedProcess[str]


def run(command: str, root: Path, *words: str, **env: str) -> Done:
    """Run a command of ours for a root, in a home where nothing is."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [CHECKOUT / "bin" / command, "--root", str(root), *words],
        env=os.environ | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


def with_our_release(root: Path) -> None:
    """Put this checkout in the place of a release, so that no libraries have to be installed."""
    opt = root / "opt" / "wan22"
    releases = opt / "releases"
    releases.mkdir(parents=True)
    (releases / "checkout").symlink_to(CHECKOUT)
    (releases / "checkout.whole").touch()
    (opt / "current").symlink_to("releases/checkout")
    python = opt / "python" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """Tell all that can be known of a tree: types, modes, owners, times, links and contents."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (root, *root.rglob("*")):
        told = path.lstat()
        content = ""
        if stat.S_ISLNK(told.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(told.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        times = (told.st_mtime_ns, told.st_ctime_ns)
        found[str(path)] = (told.st_mode, told.st_uid, told.st_gid, times, content)
    return found


def settings(root: Path) -> dict[str, str]:
    """Read the settings that were written."""
    lines = (root / "data" / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
