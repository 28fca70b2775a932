"""Somebody who has only SSH drops job files with every program there is, and follows them."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from dropping import RED, Dropping
from local.running import Running, free_ports, is_free

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


@dataclass
class Ssh:
    """A real SSH server on loopback, and its clients."""

    folder: Path
    port: int

    @property
    def options(self) -> list[str]:
        given = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder / 'known'}"]
        given += ["LogLevel=ERROR", "IdentitiesOnly=yes"]
        return [f"-i{self.folder / 'user'}", *(f"-o{option}" for option in given)]

    @property
    def where(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    def run(self, *command: str, told: str | bytes = b"") -> None:
        said = told if isinstance(told, bytes) else told.encode()
        subprocess.run(command, input=said, check=True, timeout=60, capture_output=True)

    def ssh(self, line: str, told: str | bytes = b"") -> None:
        self.run("ssh", *self.options, f"-p{self.port}", self.where, line, told=told)

    def sftp(self, *lines: str) -> None:
        batch = "\n".join(lines)
        self.run("sftp", *self.options, f"-P{self.port}", "-b-", self.where, told=batch)

    def scp(self, *files: Path, to: Path, also: str = "-q") -> None:
        named = [str(file) for file in files]
        self.run("scp", also, *self.options, f"-P{self.port}", *named, f"{self.where}:{to}/")

    def rsync(self, file: Path, to: Path) -> None:
        shell = " ".join(["ssh", *self.options, f"-p{self.port}"])
        self.run("rsync", "-a", "-e", shell, str(file), f"{self.where}:{to}/")


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    (port,) = free_ports(1)
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    command = [sshd, "-D", "-e", "-f", str(folder / "config")]
    server = Running(command, folder / "sshd.log", {})
    server.wait_until(lambda: not is_free(port))
    yield Ssh(folder, port)
    server.end()


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropping]:
    with Dropping(tmp_path_factory.mktemp("ssh")) as drops:
        yield drops


@pytest.fixture
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A job file called like its test."""
    made = tmp_path / f"{request.node.name.partition('[')[0].removeprefix('test_')}.json"
    made.write_text(RED)
    return made


def test_scp(ssh: Ssh, drops: Dropping, file: Path) -> None:
    ssh.scp(file, to=drops.inputs)
    assert drops.job(file.name).request.prompt == "a red circle moves right"


def test_scp_with_the_times_of_the_file(ssh: Ssh, drops: Dropping, file: Path) -> None:
    os.utime(file, (1, 1))
    ssh.scp(file, to=drops.inputs, also="-p")
    drops.job(file.name)


def test_sftp(ssh: Ssh, drops: Dropping, file: Path) -> None:
    ssh.sftp(f"put {file} {drops.inputs}/{file.name}")
    drops.job(file.name)


def test_sftp_then_rename(ssh: Ssh, drops: Dropping, file: Path) -> None:
    part = drops.inputs / f".{file.name}.part"
    ssh.sftp(f"put {file} {part}", f"rename {part} {drops.inputs}/{file.name}")
    drops.job(file.name)


def test_rsync(ssh: Ssh, drops: Dropping, file: Path) -> None:
    ssh.rsync(file, drops.inputs)
    drops.job(file.name)


def test_cat(ssh: Ssh, drops: Dropping, file: Path) -> None:
    ssh.ssh(f"cat > {drops.inputs}/{file.name}", told=RED)
    drops.job(file.name)


def test_mv(ssh: Ssh, drops: Dropping, file: Path) -> None:
    inputs = drops.inputs
    line = f"cat > {inputs}/.{file.name}.part && sleep 0.1 && mv {inputs}/.{file.name}.part"
    ssh.ssh(f"{line} {inputs}/{file.name}", told=RED)
    drops.job(file.name)


def test_a_slow_writer_with_pauses(ssh: Ssh, drops: Dropping, file: Path) -> None:
    """One byte each 50 ms, and twice a pause that is longer than a file has to rest."""
    command = ["ssh", *ssh.options, f"-p{ssh.port}", ssh.where]
    with subprocess.Popen(
        [*command, f"cat > {drops.inputs}/{file.name}"], stdin=subprocess.PIPE, bufsize=0
    ) as writer:
        assert writer.stdin
        for place, byte in enumerate(RED.encode()):
            writer.stdin.write(bytes([byte]))
            time.sleep(1.5 if place in {12, 37} else 0.05)
    drops.job(file.name)
    assert not drops.reasons(file.name)


def test_a_picture_that_comes_after_its_job_file(
    ssh: Ssh, drops: Dropping, file: Path, tmp_path: Path
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "start.png")
    file.write_text('{"prompt": "a red circle moves right", "image_path": "start.png"}')
    ssh.scp(file, to=drops.inputs)
    drops.until(lambda: drops.events("intake.waiting"))
    ssh.scp(tmp_path / "start.png", to=drops.inputs)
    job = drops.job(file.name)
    assert job.request.image
    assert (drops.stack.folder / "inputs" / "images" / job.request.image).is_file()


def test_a_job_is_followed_without_the_gateways_port(ssh: Ssh, drops: Dropping, file: Path) -> None:
    """All that a user sees are files; the link is in the last of them."""
    file.write_text('{"prompt": "a red circle moves right", "priority": 100}')
    ssh.scp(file, to=drops.inputs)
    drops.until(lambda: drops.status(file.name))
    assert drops.status(file.name)["status"] == "queued"
    drops.stack.launch("render")
    drops.stack.launch("deliver")
    seen = set()

    def ended() -> bool:
        told = drops.status(file.name)
        seen.add(told["phase"] or told["status"])
        return bool(told["status"] == "completed")

    drops.until(ended, 120)
    assert {"queued", "denoising"} <= seen
    assert drops.status(file.name)["video_url"].startswith("http")
