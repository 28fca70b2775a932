"""The units are ones that systemd takes, hold the processes tight, and let them do their work."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import confined
from gateway.cell import landlock
from local.running import Running
from local.stack import Stack

UNITS = Path(__file__).parent.parent.parent / "bin" / "systemd"
STAGES = {"gateway": ["gateway"], "render": ["runner", "render"], "deliver": ["runner", "deliver"]}
MOST = {"gateway": 2.0, "deliver": 2.0, "render": 3.5}


def unit(stage: str) -> Path:
    return UNITS / f"wan22-{stage}.service"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The part of a machine that systemd looks at: its own units, ours, and what ours start."""
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    for name in ("opt/wan22/current/.venv/bin/python", "usr/bin/systemctl"):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return tmp_path


def verified(machine: Path) -> str:
    """Let systemd look at all units of ours; answers what it finds."""
    names = sorted(file.name for file in UNITS.iterdir() if file.suffix != ".conf")
    asked = ["systemd-analyze", "verify", f"--root={machine}", "--man=no", "--recursive-errors=yes"]
    done = subprocess.run([*asked, *names], capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def test_systemd_finds_nothing_wrong(machine: Path) -> None:
    assert verified(machine) == ""


def test_systemd_would_find_something(machine: Path) -> None:
    with (machine / "etc/systemd/system/wan22-deliver.service").open("a") as file:
        file.write("NoSuchThing=1\n")
    assert "Unknown key 'NoSuchThing'" in verified(machine)


@pytest.mark.parametrize("stage", STAGES)
def test_little_is_left_that_a_process_could_do(stage: str) -> None:
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit(stage))]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", told)
    assert found, told
    print(f"figure: exposure of wan22-{stage}.service {found[1]} of 10, at most {MOST[stage]}")
    assert float(found[1]) <= MOST[stage], told


def test_the_card_stays_within_reach_of_the_renderer_alone() -> None:
    """ProtectClock is among them: it brings a list of devices, on which the card is not."""
    closed = {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"}
    given = {stage: dict(confined.directives(unit(stage))) for stage in STAGES}
    assert not closed & set(given["render"])
    assert "MemoryDenyWriteExecute" not in given["render"]
    assert given["gateway"]["PrivateDevices"] == given["deliver"]["PrivateDevices"] == "yes"


def test_only_the_renderer_is_kept_from_the_credentials_of_the_role() -> None:
    denied = {stage for stage in STAGES if confined.setting(unit(stage), "IPAddressDeny")}
    assert denied == {"render"}
    assert confined.setting(unit("render"), "IPAddressDeny") == "169.254.169.254"


def test_nothing_that_a_unit_needs_lies_in_a_home() -> None:
    for file in UNITS.iterdir():
        paths = re.findall(r"(?<![\w.])/[\w./-]+", file.read_text())
        assert not [path for path in paths if path.startswith(("/home", "/root"))], file
        given = dict(confined.directives(file))
        assert given.get("ProtectHome", "yes") == "yes"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The three processes, each held as its unit says, without systemd."""
    data = tmp_path / "data"
    data.mkdir()
    if confined.may_be_another():
        shutil.chown(data, 65534, 65534)
    with Stack(tmp_path, env={"DATA_DIR": confined.INSIDE, "S3_BUCKET": ""}) as stack:
        for stage, words in STAGES.items():
            command, env = confined.command(unit(stage), data, [sys.executable, "-P", "-m", *words])
            log = tmp_path / "logs" / f"{stage}.log"
            stack.processes[stage] = Running(command, log, {**stack.env, **env})
        for stage in STAGES:
            stack.wait(stage)
        yield stack


def test_a_video_is_made_from_a_picture_by_processes_that_are_held_so(
    stack: Stack, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    mounts = Path(f"/proc/{stack.processes['gateway'].pid}/mountinfo").read_text().splitlines()
    assert [line.split()[5][:2] for line in mounts if line.split()[4] == "/"] == ["ro"]
    job = stack.client.submit("a red circle moves right", picture, num_frames=5, steps=4)
    *_, last = stack.client.follow(job["job_id"], every_s=0.1)
    assert last["status"] == "completed", last["error"]
    said = stack.processes["gateway"].log.read_text()
    assert "darkroom.failed" not in said
    assert "intake.blocked" not in said


def test_a_darkroom_locks_itself_in_as_far_as_without_the_unit(tmp_path: Path) -> None:
    """Landlock is in no group of system calls that all versions of systemd know."""
    tell = "from gateway.cell import landlock; print(landlock())"
    command, env = confined.command(unit("gateway"), tmp_path, [sys.executable, "-P", "-c", tell])
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    print(f"figure: Landlock {done.stdout.strip()} inside the unit, {landlock()} outside")
    assert int(done.stdout) == landlock()
