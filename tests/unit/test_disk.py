"""The marks of the disk: two stages, each said once, and small disks have marks that fit."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobstore.disk import Disk, Room
from jobstore.errors import SettingsWrong
from jobstore.keeping import KeepSettings
from jobstore.settings import Settings, read

MOST = 10**18


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> shutil._ntuple_diskusage:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    usage = shutil.disk_usage(tmp_path)
    assert usage.free < usage.total * 19 // 20, "this test needs a disk that is used"
    return usage


def made(tmp_path: Path, low: int, full: int) -> Disk:
    return Disk(Settings(data_dir=tmp_path, disk_low_bytes=low, disk_full_bytes=full))


def test_without_marks_there_is_room(tmp_path: Path) -> None:
    assert made(tmp_path, 0, 0).room is Room.OK
    assert made(tmp_path, 0, 0).may_take()
    assert made(tmp_path, 0, 0).may_render()


def test_marks_of_a_small_disk_are_a_share_of_it(
    tmp_path: Path, disk: shutil._ntuple_diskusage
) -> None:
    """However much is asked for: more than a tenth of this one is free."""
    assert disk.free > disk.total // 10, "this test needs some room"
    assert made(tmp_path, MOST, MOST).room is Room.OK


def test_the_lower_mark_is_the_lower_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DISK_LOW_BYTES", "100")
    monkeypatch.setenv("DISK_FULL_BYTES", "101")
    with pytest.raises(SettingsWrong) as caught:
        read(Settings)
    assert [fault.split()[0] for fault in caught.value.faults] == ["DISK_FULL_BYTES"]


@pytest.mark.parametrize("age", ["-1", "soon", "nan"])
def test_an_age_is_a_number_of_seconds_or_inf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, age: str
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KEEP_VIDEOS_S", age)
    with pytest.raises(SettingsWrong):
        read(KeepSettings)
    monkeypatch.setenv("KEEP_VIDEOS_S", "inf")
    assert read(KeepSettings).keep_videos_s == float("inf")


def test_a_steady_disk_is_not_talked_about(tmp_path: Path) -> None:
    with capture_logs() as logs:
        disk = made(tmp_path, 0, 0)
        assert [disk.room for _ in range(3)] == [Room.OK] * 3
    assert logs == []
