"""The doctor looks at Python, card, memory, disk and weights: what is right, and what is not."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobstore.abilities import Abilities
from local.doctor import card, disk, memory, python
from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from runner.render.weights.manifest import MANIFEST, Listed, Manifest

ROOT = Path(__file__).parent.parent.parent
Look = Callable[..., Finding]
GIB = 1 << 30
OPT, HOME = Path("/opt/wan22/python"), Path("/home/somebody/.local")


@pytest.mark.parametrize(
    ("version", "prefix", "where", "state"),
    [
        ((3, 12), OPT, "installed", State.OK),
        ((3, 11), Path("/usr"), "a checkout", State.OK),
        ((3, 10), Path("/usr"), "a checkout", State.FAIL),
        ((3, 12), HOME, "installed", State.FAIL),
        ((3, 12), HOME, "a checkout", State.OK),
    ],
)
def test_python(
    version: tuple[int, ...],
    prefix: Path,
    where: str,
    state: State,
) -> None:
    found = python.judged(version, prefix, installed=where == "installed")
    assert (found.state, bool(found.mend)) == (state, state is not State.OK)


A10G: dict[str, Any] = {
    "torch": "2.13.0+cu130",
    "built_for": "13.0",
    "usable": True,
    "driver": "580.95.05",
    "driver_cuda": "13.0",
    "name": "NVIDIA A10G",
    "memory_bytes": 23028 << 20,
    "free_bytes": 22600 << 20,
}


@pytest.mark.parametrize(
    ("change", "state", "says"),
    [
        ({}, State.OK, "driver 580.95.05"),
        ({"built_for": None}, State.FAIL, "does not use the card"),
        ({"driver_cuda": "12.8"}, State.FAIL, "too new"),
        ({"usable": False}, State.FAIL, "cannot use"),
    ],
)
def test_a_driver_that_does_not_fit_torch_is_told(
    change: dict[str, Any], state: State, says: str
) -> None:
    found = card.judged_driver(A10G | change)
    assert found.state is state
    assert says in found.found
    assert bool(found.mend) is (state is not State.OK)


@pytest.mark.parametrize(
    ("change", "render", "state"),
    [
        ({}, "down", State.OK),
        ({"free_bytes": 10 * GIB}, "ready", State.OK),
        ({"free_bytes": 10 * GIB}, "down", State.WARN),
        ({"memory_bytes": 16 * GIB}, "down", State.FAIL),
    ],
)
def test_a_card_has_room_for_the_5b(
    change: dict[str, Any],
    render: str,
    state: State,
) -> None:
    found = card.judged_memory(A10G | change, ours=render != "down")
    assert (found.state, bool(found.mend)) == (state, state is not State.OK)


def test_without_a_card_only_the_embedded_model_is_of_use(look: Look) -> None:
    found = look("torch")
    assert "the embedded model is of use" in found.found or "driver" in found.found
    assert look("card").found


@pytest.mark.parametrize(
    ("total", "swap", "large", "state"),
    [
        (16, 0, True, State.OK),
        (14, 2, True, State.OK),
        (14, 0, True, State.WARN),
        (11, 8, True, State.FAIL),
        (4, 0, False, State.OK),
    ],
)
def test_memory(total: int, swap: int, state: State, *, large: bool) -> None:
    sizes = {"MemTotal": total * GIB, "MemAvailable": GIB, "SwapTotal": swap * GIB}
    found = memory.judged(sizes, large=large)
    assert (found.state, bool(found.mend)) == (state, state is not State.OK)


def test_memory_is_read_as_the_kernel_writes_it(look: Look, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(
        "MemTotal:       16142364 kB\nMemAvailable:    9000000 kB\nSwapTotal:             0 kB\n"
    )
    assert "15.4 GiB of RAM" in look("memory", Machine(root=tmp_path)).found


SMALL = """
mount -t tmpfs -o size=100m small "$DATA_DIR" &&
head -c "$BALLAST" /dev/zero > "$DATA_DIR/ballast" &&
exec "$WAN22" doctor room
"""


@pytest.mark.parametrize(
    ("ballast", "says"),
    [("10m", "ok "), ("92m", "below DISK_LOW_BYTES"), ("97m", "below DISK_FULL_BYTES")],
)
def test_a_disk_that_fills_is_told(look: Look, data_dir: Path, ballast: str, says: str) -> None:
    """A real small disk, that only the program sees."""
    assert look("room", DISK_LOW_BYTES="0", DISK_FULL_BYTES="0").state is State.OK
    small = {"BALLAST": ballast, "WAN22": str(ROOT / "bin" / "wan22")}
    marks = {"DISK_LOW_BYTES": str(10**12), "DISK_FULL_BYTES": str(10**12)}
    asked = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL],
        env={**os.environ, **small, **marks, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert says in asked.stdout, asked.stderr
    assert asked.returncode == int(says != "ok ")


def test_the_speed_of_the_disk_is_measured_and_nothing_stays(look: Look, data_dir: Path) -> None:
    found = look("disk")
    assert "MB/s" in found.found
    assert list((data_dir / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("read", "sync_s", "state"),
    [(125e6, 0.002, State.OK), (60e6, 0.002, State.WARN), (500e6, 0.2, State.WARN)],
)
def test_a_slow_disk_is_told(read: float, sync_s: float, state: State) -> None:
    found = disk.judged(100e6, read, sync_s)
    assert (found.state, bool(found.mend)) == (state, state is not State.OK)


def listed(source: Path, folder: Path) -> Path:
    """Copy a model, and list its files as a set-up does."""
    shutil.copytree(source, folder)
    files = {
        str(file.relative_to(folder)): Listed(
            size=file.stat().st_size, sha256=hashlib.sha256(file.read_bytes()).hexdigest()
        )
        for file in folder.rglob("*")
        if file.is_file()
    }
    revision = Abilities.read(folder).revision
    Manifest(repository="somebody/model", revision=revision, files=files).write(folder)
    return folder


def test_weights_that_are_cut_or_altered_are_told(
    look: Look, tmp_path: Path, embedded: Path
) -> None:
    assert look("weights").state is State.OK
    model = listed(embedded, tmp_path / "model")
    assert look("weights", MODEL_DIR=str(model)).state is State.OK
    deep = Machine(deep=True)
    assert "every byte" in look("weights", deep).found
    shard = next(model.rglob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert look("weights").state is State.OK
    assert look("weights", deep).state is State.FAIL
    shard.write_bytes(content[:-1])
    found = look("weights")
    assert found.state is State.FAIL
    assert "bytes instead of" in found.found
    (model / MANIFEST).unlink()
    assert look("weights").state is State.WARN
    (model / "wan22.json").write_text("{}")
    assert look("weights").state is State.FAIL
