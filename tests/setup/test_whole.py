"""From nothing to a checkpoint that renders; a second run has nothing to do."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hub_server import Hub
from jobstore.abilities import Abilities
from jobstore.job import Request
from repositories import NOT_OURS
from runner.render import film
from runner.render.decode import Frames
from runner.render.describe import REPOSITORY, WAN22_TI2V_5B
from runner.render.model import load
from runner.render.weights.progress import line
from setting_up import CONVERTED, VAE, Run, contents

ROOT = Path(__file__).parent.parent.parent


def test_what_came_is_what_is_needed_and_is_listed(brought: Path, repository: Path) -> None:
    theirs, ours = contents(repository), contents(brought)
    left_out = {*NOT_OURS, *(path for path in theirs if path.startswith("transformer/diffusion"))}
    made = {CONVERTED, "wan22.json", "manifest.json"}
    assert set(ours) == set(theirs) - left_out | made
    assert all(ours[path] == theirs[path] for path in set(ours) - made)
    manifest = json.loads(ours.pop("manifest.json"))
    assert (manifest["repository"], manifest["revision"]) == (REPOSITORY, WAN22_TI2V_5B.revision)
    assert manifest["files"] == {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in ours.items()
    }
    assert Abilities.model_validate_json(ours["wan22.json"]) == WAN22_TI2V_5B


def test_it_renders(brought: Path, ask: Callable[..., Request], tmp_path: Path) -> None:
    """Loaded as the render stage loads it; what a random model shows is not judged."""
    model = load(brought, Abilities.read(brought), tmp_path / "embeddings")
    request = ask(steps=2, guidance_scale=5.0)
    written: list[Frames] = []

    def write(pieces: Iterator[Frames]) -> None:
        written.append(np.concatenate(list(pieces)))

    film.render(model, request, tmp_path, lambda _phase, _step: None, write)
    assert written[-1].shape == (5, 128, 128, 3)
    assert written[-1].std() > 0


def test_a_second_run_changes_nothing_and_asks_nobody(whole: Path, hub: Hub, run: Run) -> None:
    def stamps() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in whole.rglob("*")}

    before = stamps()
    done = run(whole)
    assert (done.returncode, hub.asked, stamps()) == (0, [], before)
    assert "is whole" in done.stderr


@pytest.mark.long
def test_files_that_are_there_already_are_not_fetched_again(
    repository: Path, hub: Hub, run: Run, tmp_path: Path
) -> None:
    """Large and small ones, however they came; one that is not as the hub says comes anew."""
    folder = tmp_path / "checkpoint"
    for path in ("vae/config.json", VAE, "model_index.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((repository / path).read_bytes())
    (folder / "vae/config.json").write_text("{}")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert not {"model_index.json", VAE} & set(hub.sent)
    assert hub.sent["vae/config.json"] == hub.size("vae/config.json")


def test_an_older_description_is_written_anew_without_the_hub(
    whole: Path, hub: Hub, run: Run
) -> None:
    before = contents(whole)
    (whole / "wan22.json").write_bytes(before["wan22.json"].replace(b'"steps": 50', b'"steps": 40'))
    assert run(whole).returncode == 0
    assert (hub.asked, contents(whole)) == ([], before)


def test_the_folder_is_that_of_the_settings(brought: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "Wan2.2-TI2V-5B").symlink_to(brought)
    done = run(DATA_DIR=str(tmp_path))
    assert done.returncode == 0
    assert f"{tmp_path}/Wan2.2-TI2V-5B is whole" in done.stderr
    (tmp_path / "file").touch()
    refused = run(DATA_DIR=str(tmp_path / "file"))
    assert (refused.returncode, "DATA_DIR" in refused.stderr) == (2, True)


def test_the_script_passes_on_what_it_is_told(brought: Path) -> None:
    command = [str(ROOT / "bin" / "setup"), "--weights", "--check", str(brought)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "every byte was read" in done.stderr


def test_a_person_is_told_how_far_it_is() -> None:
    assert line("download", 0, 34_200_000_000, 0) == "download: 0 bytes of 34.2 GB"
    assert (
        line("download", 3_200_000_000, 34_200_000_000, 32)
        == "download: 3.2 GB of 34.2 GB, 100.0 MB/s, 5 min 10 s left"
    )
    assert line("check", 400, 400, 130).endswith("400 bytes of 400 bytes, 3 bytes/s, in 2 min 10 s")
