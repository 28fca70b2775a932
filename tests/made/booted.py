"""A machine of its own with a real systemd as its first process, which shares our network.

Source:
    systemd-nspawn(1): a booted container; without a systemd outside, `--register=no --keep-unit`.
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY chooses the kind of control groups, which is that of the host.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import psutil

from set_up import CHECKOUT

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,openssl,ca-certificates"
TREE = "/srv/wan22"  # where a person has put the clone
PATIENCE_S = 120.0
OF_PIP = ("PIP_FIND_LINKS", "PIP_CERT")  # where this machine has its packages from, if it says so
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
Done = subprocess.CompletedProcess[str]


def debian(root: Path) -> Path:
    """Make a small Debian with this checkout on it."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(CHECKOUT, root / TREE[1:], symlinks=True, ignore=left_out)
    shutil.copy(CERTIFICATES, root / "etc/ssl/certs/ours.crt")
    return root


class Booted:
    """The machine, from its boot to its end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        folders = [Path(os.environ.get(name, "")) for name in OF_PIP]
        binds = [f"--bind-ro={folder}" for folder in folders if folder.is_dir() and folder.name]
        self._outside = subprocess.Popen(
            [
                *("systemd-nspawn", "-D", str(root), "--register=no", "--keep-unit"),
                *("--console=pipe", *binds, "-b"),
            ],
            env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": f"{int(unified)}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        try:
            self.wait_for("running", "systemctl", "is-system-running")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run("systemctl", "poweroff")
        try:
            self._outside.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._outside.kill()
            self._outside.wait()

    def run(self, *command: str, **env: str) -> Done:
        """Run something there, as root; what does not exist yet fails."""
        runs = self._outside.poll() is None
        inside = psutil.Process(self._outside.pid).children() if runs else []
        if not inside:
            return subprocess.CompletedProcess(command, 1, "", "it has not begun, or has ended")
        pip = {"PIP_CERT": "/etc/ssl/certs/ours.crt", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        pip |= {name: os.environ[name] for name in OF_PIP[:1] if name in os.environ}
        pairs = [f"{name}={value}" for name, value in (pip | {"HOME": "/root"} | env).items()]
        into = ["nsenter", "-t", str(inside[0].pid), "-m", "-u", "-i", "-p"]
        return subprocess.run(
            [*into, "env", "-i", "-C", TREE, *pairs, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    def wait_for(self, answer: str, *command: str) -> None:
        """Ask again and again until the answer comes."""
        deadline = time.monotonic() + PATIENCE_S
        while (told := self.run(*command).stdout.strip()) != answer:
            assert time.monotonic() < deadline, f"{command}: {told}"
            time.sleep(0.5)
