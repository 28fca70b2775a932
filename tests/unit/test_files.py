"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from jobstore.files import publish, write_whole


def test_a_file_replaces_another_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_whole(target, b"first")
    write_whole(target, b"second, and longer")
    assert target.read_bytes() == b"second, and longer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_a_work_file_that_is_gone_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "gone", tmp_path / "public")
    assert not (tmp_path / "public").exists()
