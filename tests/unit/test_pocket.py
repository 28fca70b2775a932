"""The embedded model is made whole, whoever makes it at the same time."""

from pathlib import Path

from diffusers import WanPipeline

from runner.pocket import architecture
from runner.pocket.__main__ import make


def test_two_that_make_it_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"

    def overtaken() -> WanPipeline:
        make(folder)
        (folder / "first").touch()
        return architecture.pipeline()

    make(folder, overtaken)
    assert (folder / "first").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]


def test_a_half_one_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "half").touch()
    make(folder)
    assert (folder / "wan22.json").exists()
    assert not (folder / "half").exists()
