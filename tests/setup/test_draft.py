"""The transformer of the draft comes beside the checkpoint, is listed, checked and kept to."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from hub_server import DRAFT, NEWEST, Hub
from jobstore.abilities import Abilities
from runner.render.describe import DRAFT_REPOSITORY
from runner.render.model import load
from runner.render.weights.faults import NotWhole
from runner.render.weights.manifest import look_at
from setting_up import VAE, Run, contents, flip

CONFIG, WEIGHTS = f"{DRAFT}config.json", f"{DRAFT}diffusion_pytorch_model.safetensors"


@pytest.fixture
def drafting(whole: Path, hub: Hub, run: Run) -> Path:
    """A checkpoint with it."""
    done = run(whole, "--draft")
    assert done.returncode == 0, done.stderr
    hub.asked.clear()
    hub.sent.clear()
    return whole


def test_it_comes_beside_the_checkpoint_and_is_listed(
    drafting: Path, brought: Path, embedded: Path, run: Run
) -> None:
    before, after = contents(brought), contents(drafting)
    own = {name: after[f"{DRAFT}{name}"] for name in contents(embedded / "transformer")}
    assert own == contents(embedded / "transformer")
    assert set(after) - set(before) == {CONFIG, WEIGHTS}
    manifests = [json.loads(each.pop("manifest.json")) for each in (before, after)]
    assert before == {path: after[path] for path in before}
    assert manifests[1]["files"].keys() - manifests[0]["files"].keys() == {CONFIG, WEIGHTS}
    origin = {"repository": DRAFT_REPOSITORY, "revision": NEWEST}
    assert manifests[1]["besides"] == {"transformer_draft": origin}
    assert "draft" in Abilities.read(drafting).presets
    assert "draft" not in Abilities.read(brought).presets
    assert run(drafting, "--check").returncode == 0


def test_later_runs_keep_to_it_and_to_its_revision(drafting: Path, hub: Hub, run: Run) -> None:
    """Even when there is a newer one; and nobody is asked while all is whole."""
    hub.newest = "e" * 40
    before = contents(drafting)
    for words in ((), ("--draft",)):
        done = run(drafting, *words)
        assert (done.returncode, hub.asked, contents(drafting)) == (0, [], before)
        assert f"{DRAFT_REPOSITORY} at {NEWEST}" in done.stderr
    flip(drafting / WEIGHTS)
    found = run(drafting, "--check")
    assert (found.returncode, f"{WEIGHTS} is altered" in found.stderr) == (1, True)
    assert run(drafting).returncode == 0
    assert (set(hub.sent), contents(drafting)) == ({WEIGHTS}, before)


def test_what_is_wrong_with_it_stops_no_other_preset(drafting: Path, tmp_path: Path) -> None:
    (drafting / WEIGHTS).unlink()
    look_at(drafting)
    with pytest.raises(NotWhole, match=f"{WEIGHTS} is missing; run bin/setup --weights"):
        look_at(drafting, "transformer_draft")
    load(drafting, Abilities.read(drafting), tmp_path / "embeddings")


def test_mending_the_rest_leaves_it_as_it_is(drafting: Path, hub: Hub, run: Run) -> None:
    before = contents(drafting)
    (drafting / VAE).unlink()
    assert run(drafting).returncode == 0
    assert (set(hub.sent), contents(drafting)) == ({VAE}, before)


def test_a_kill_is_resumed_and_nothing_half_is_offered(whole: Path, hub: Hub, run: Run) -> None:
    """Its weights are there and its description is not: the preset is not offered yet."""
    assert run(whole, "--draft", FAILPOINT="kill:weights.fetched").returncode == -signal.SIGKILL
    assert (whole / WEIGHTS).exists()
    assert "draft" not in Abilities.read(whole).presets
    hub.sent.clear()
    assert run(whole, "--draft").returncode == 0
    assert set(hub.sent) == {CONFIG}
    assert "draft" in Abilities.read(whole).presets


def test_what_was_put_there_by_hand_is_taken_up(
    whole: Path, embedded: Path, hub: Hub, run: Run
) -> None:
    shutil.copytree(embedded / "transformer", whole / DRAFT)
    found = run(whole, "--check")
    assert (found.returncode, "bin/setup --weights --draft" in found.stderr) == (1, True)
    assert run(whole, "--draft").returncode == 0
    assert not hub.sent
    assert run(whole, "--check").returncode == 0


def test_a_repository_without_one_is_refused(whole: Path, hub: Hub, run: Run) -> None:
    before = contents(whole)
    del hub.files[WEIGHTS]
    done = run(whole, "--draft")
    assert (done.returncode, contents(whole)) == (1, before)
    assert f"{DRAFT_REPOSITORY} at {NEWEST} has no transformer" in done.stderr
