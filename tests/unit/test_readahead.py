"""The model is read ahead of its use, and everybody can see how far that is."""

import random
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import settling
from gateway.health import describe
from jobstore.disk import Room
from jobstore.job import Stage
from jobstore.settings import ModelSettings, read
from local.running import Running
from runner import stage as stages
from runner.render.transformer import precision_on
from runner.render.weights import readahead
from runner.render.weights.readahead import progress, read_ahead
from runner.render.work import Render

CPU = torch.device("cpu")


def test_every_byte_is_read_and_counted(tmp_path: Path) -> None:
    sizes = (0, 5, 2 * readahead.PIECE_BYTES + 1)
    files = [tmp_path / str(size) for size in sizes]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(bytes(size))
    told: list[tuple[int, int]] = []
    read_ahead(files, lambda *now: told.append(now))
    assert [done for done, _total in told] == [
        0,
        5,
        5 + readahead.PIECE_BYTES,
        5 + 2 * readahead.PIECE_BYTES,
        sum(sizes),
    ]
    assert {total for _done, total in told} == {sum(sizes)}


def test_a_file_that_is_missing_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_ahead([tmp_path / "none"], lambda _done, _total: None)


def test_the_rest_is_expected_to_go_on_as_it_went() -> None:
    assert progress(0, 100, 3.0) == {"loaded_bytes": 0, "total_bytes": 100, "eta_s": None}
    assert progress(25, 100, 3.0) == {"loaded_bytes": 25, "total_bytes": 100, "eta_s": 9}
    assert progress(100, 100, 3.0)["eta_s"] == 0


def test_a_checkpoint_runs_on_a_cpu_in_what_needs_no_second_copy(embedded: Path) -> None:
    """That a bfloat16 one does is seen by the bench of the memory."""
    assert precision_on(CPU, embedded / "transformer") is torch.float32
    assert precision_on(torch.device("cuda"), embedded / "transformer") is torch.bfloat16


class Remembering(Render):
    """Keeps all that it ever said of itself."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_said":
            self.__dict__.setdefault("said", []).append(value)
        super().__setattr__(name, value)


def test_the_render_stage_says_how_far_its_model_is(
    made_stage: Callable[..., stages.Stage], embedded: Path
) -> None:
    work = Remembering(made_stage("render", ModelSettings), read(ModelSettings), random.Random(1))
    work.prepare()
    loading = [facts["loading"] for facts in vars(work)["said"][1:-1]]
    files = [file for part in ("transformer", "vae") for file in (embedded / part).iterdir()]
    total = sum(file.stat().st_size for file in files if file.suffix == ".safetensors")
    assert {each["total_bytes"] for each in loading} == {total}
    assert loading[0]["loaded_bytes"] == 0
    assert loading[-1]["loaded_bytes"] == total
    assert all(one["loaded_bytes"] < other["loaded_bytes"] for one, other in pairwise(loading))
    assert "loading" not in work.facts


def test_health_shows_how_far_the_loading_is() -> None:
    loading = progress(25, 100, 3.0)
    facts = {"state": "loading", "model_loaded": False, "loading": loading}
    health = describe([Stage("render", "here", 0, facts)], Room.OK)
    assert (health["status"], health["model_loaded"]) == ("degraded", False)
    assert health["loading"] == loading
    assert describe([Stage("render", "here", 0, {"state": "ready"})], Room.OK)["loading"] is None


def test_a_stage_that_gets_ready_beats_far_more_often_than_one_that_is(tmp_path: Path) -> None:
    """What it says of itself is in the store long before the heartbeat of an hour."""
    rarely = {"HEARTBEAT_S": "3600", "LEASE_S": "10800", "POLL_S": "3600"}
    command = [sys.executable, str(settling.__file__)]
    running = Running(command, tmp_path / "settling.log", {"DATA_DIR": str(tmp_path), **rarely})
    assert running.wait_for_end() == 0, running.tail()
