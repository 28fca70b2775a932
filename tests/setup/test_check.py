"""A check reads every byte; what it finds, the next run mends; and the render stage is told."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_server import Hub
from jobstore.abilities import Abilities
from runner.render.model import load
from runner.render.weights.faults import NotWhole
from runner.render.weights.manifest import look_at
from setting_up import CONVERTED, SHARD, VAE, Run, contents, flip

REVISION = "f" * 40


def test_a_whole_checkpoint_is_found_whole(whole: Path, hub: Hub, run: Run) -> None:
    before = contents(whole)
    done = run(whole, "--check")
    assert (done.returncode, hub.asked, contents(whole)) == (0, [], before)
    assert "every byte was read" in done.stderr


def test_one_flipped_bit_is_found_in_whatever_file(whole: Path, run: Run) -> None:
    paths = list(json.loads((whole / "manifest.json").read_bytes())["files"])
    assert len(paths) >= 12
    for path in paths:
        before = (whole / path).read_bytes()
        flip(whole / path)
        done = run(whole, "--check")
        assert done.returncode == 1
        assert f"{path} is altered: run bin/setup --weights {whole}" in done.stderr
        assert done.stderr.count("run bin/setup") == 1
        (whole / path).write_bytes(before)
    assert run(whole, "--check").returncode == 0


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.long
@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("path", [VAE, "tokenizer/tokenizer_config.json"])
def test_a_run_mends_just_the_file(
    harm: Callable[[Path], object], path: str, whole: Path, hub: Hub, run: Run
) -> None:
    before = contents(whole)
    harm(whole / path)
    found = run(whole, "--check")
    assert found.returncode == 1
    assert path in found.stderr
    with pytest.raises(NotWhole, match=f"{path}.*run bin/setup"):
        look_at(whole)
    done = run(whole)
    assert done.returncode == 0, done.stderr
    assert set(hub.sent) == {path}
    assert contents(whole) == before


def test_a_converted_file_is_mended_from_its_shards(whole: Path, hub: Hub, run: Run) -> None:
    before = contents(whole)
    flip(whole / CONVERTED)
    assert run(whole, "--check").returncode == 1
    done = run(whole)
    assert done.returncode == 0, done.stderr
    assert all(path.startswith("transformer/diffusion_pytorch_model") for path in hub.sent)
    assert contents(whole) == before


def test_weights_too_many_are_named(whole: Path, hub: Hub, run: Run) -> None:
    """A shard is the set-up's own, and it removes it; what a person put there, it leaves alone."""
    shutil.copy(whole / VAE, whole / SHARD)
    shutil.copy(whole / VAE, whole / "text_encoder" / "other.safetensors")
    done = run(whole, "--check")
    assert done.returncode == 1
    assert f"{SHARD} is none of this checkpoint" in done.stderr
    assert "text_encoder/other.safetensors is none of this checkpoint" in done.stderr
    assert run(whole).returncode == 0
    assert not (whole / SHARD).exists()
    assert (whole / "text_encoder" / "other.safetensors").exists()
    assert not hub.asked


def test_without_a_manifest_there_is_nothing_to_compare_with(embedded: Path, run: Run) -> None:
    done = run(embedded, "--check")
    assert done.returncode == 1
    assert "no manifest.json" in done.stderr


def claim_by_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"revision": REVISION}))


def claim_by_description(folder: Path) -> None:
    described = Abilities.read(folder).model_copy(update={"revision": REVISION})
    (folder / "wan22.json").write_text(described.model_dump_json())


def claim_by_download(folder: Path) -> None:
    note = folder / ".cache/huggingface/download/vae/config.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{REVISION}\nabc\n1.0\n")


@pytest.mark.parametrize("claim", [claim_by_manifest, claim_by_description, claim_by_download])
def test_another_revision_is_refused_and_left_as_it_is(
    claim: Callable[[Path], None], whole: Path, hub: Hub, run: Run
) -> None:
    claim(whole)
    before = contents(whole)
    done = run(whole)
    assert (done.returncode, hub.asked, contents(whole)) == (1, [], before)
    assert f"is of revision {REVISION}" in done.stderr
    assert "name another folder" in done.stderr


def test_two_at_once_do_not_meet(whole: Path, run: Run) -> None:
    descriptor = os.open(whole, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    done = run(whole)
    os.close(descriptor)
    assert (done.returncode, "another bin/setup is at work" in done.stderr) == (1, True)
    assert run(whole).returncode == 0


def test_a_manifest_that_is_none_is_made_anew(whole: Path, hub: Hub, run: Run) -> None:
    """Nothing says any more what the converted file should be, so that comes anew with it."""
    before = contents(whole)
    (whole / "manifest.json").write_text("{")
    with pytest.raises(NotWhole, match="is no manifest"):
        look_at(whole)
    assert run(whole).returncode == 0
    assert VAE not in hub.sent
    assert contents(whole) == before


@pytest.mark.parametrize("harm", [claim_by_manifest, lambda folder: cut(folder / VAE)])
def test_the_render_stage_refuses_it_before_it_reads_any(
    harm: Callable[[Path], None], whole: Path, tmp_path: Path
) -> None:
    abilities = Abilities.read(whole)
    harm(whole)
    with pytest.raises(NotWhole, match="bin/setup"):
        load(whole, abilities, tmp_path / "embeddings")


def test_a_checkpoint_without_a_manifest_is_as_it_is(embedded: Path) -> None:
    look_at(embedded)


def test_whether_it_is_whole_is_told_without_reading(run: Run, whole: Path, tmp_path: Path) -> None:
    assert run(whole, "--whole").returncode == 0
    flip(whole / VAE)
    assert run(whole, "--whole").returncode == 0
    (whole / VAE).unlink()
    assert run(whole, "--whole").returncode == 1
    done = run(tmp_path / "nothing", "--whole")
    assert (done.returncode, "run bin/setup --weights" in done.stderr) == (1, True)
