"""The embedded model is made whole, whoever makes it at the same time."""

from pathlib import Path

import pytest

from runner.pocket import architecture
from runner.pocket.__main__ import make


def test_two_that_make_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "checkpoint"
    build = architecture.pipeline

    def overtaken() -> object:
        monkeypatch.setattr(architecture, "pipeline", build)
        make(folder)
        (folder / "first").touch()
        return build()

    monkeypatch.setattr(architecture, "pipeline", overtaken)
    make(folder)
    assert (folder / "first").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]


def test_a_half_one_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "half").touch()
    make(folder)
    assert (folder / "wan22.json").exists()
    assert not (folder / "half").exists()
