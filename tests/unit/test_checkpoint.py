"""The file of a checkpoint: whole and of this very render, or not used; nothing in it can hurt."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from structlog.testing import capture_logs

from jobstore.abilities import Abilities
from jobstore.job import Job, Request
from jobstore.jobs import CRASH_LIMIT, FAILURE_LIMIT
from runner.render.checkpoint import Checkpoint, Identity, find, identity, path_of, write

Ask = Callable[..., Request]
Claim = Callable[..., Job]


@pytest.fixture(scope="module")
def abilities(embedded: Path) -> Abilities:
    return Abilities.read(embedded)


@pytest.fixture
def job(claim: Claim, ask: Ask) -> Job:
    return claim(ask())


@pytest.fixture
def whose(job: Job, abilities: Abilities) -> Identity:
    return identity(job, abilities)


def made(step: int) -> Checkpoint:
    noise = torch.Generator().manual_seed(step)
    latents, output = torch.randn(2, 1, 2, 3, 4, 4, generator=noise)
    scheduler = {
        "model_outputs.1": output,
        "last_sample": output.to(torch.bfloat16),
        "lower_order_nums": torch.tensor(2),
        "noise": noise.get_state(),
    }
    return Checkpoint(step, latents, scheduler)


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    assert one is not None
    assert one.tensors.keys() == other.tensors.keys()
    pairs = [(tensor, other.tensors[name]) for name, tensor in one.tensors.items()]
    assert all(a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)
    return one.step == other.step and all(torch.equal(a, b) for a, b in pairs)


def found(folder: Path, job: Job, whose: Identity) -> tuple[Checkpoint | None, list[str]]:
    """Look for it; answers also why files were refused, each being said once."""
    with capture_logs() as logs:
        checkpoint = find(folder, job.job_id, whose)
    assert {line["event"] for line in logs} <= {"checkpoint.refused"}
    assert len({line["file"] for line in logs}) == len(logs)
    return checkpoint, [line["reason"] for line in logs]


def test_what_was_written_is_read(tmp_path: Path, job: Job, whose: Identity) -> None:
    assert found(tmp_path, job, whose) == (None, [])
    for step in (4, 5):
        write(path_of(tmp_path, job), whose, made(step))
    checkpoint, refused = found(tmp_path, job, whose)
    assert same(checkpoint, made(5))
    assert not refused
    assert [file.name for file in tmp_path.glob("*ckpt*")] == [f"{job.job_id}.{job.fence}.ckpt"]


def test_the_furthest_of_any_claim_is_taken(tmp_path: Path, job: Job, whose: Identity) -> None:
    """Also of a holder that was shut out and wrote late: the same render gives the same latents."""
    for fence, step in ((9, 4), (10, 7), (11, 2)):
        write(path_of(tmp_path, replace(job, fence=fence)), whose, made(step))
    write(path_of(tmp_path, replace(job, job_id=f"{job.job_id}X")), whose, made(9))
    assert same(find(tmp_path, job.job_id, whose), made(7))


@pytest.mark.parametrize(
    "other", [{"seed": 8}, {"prompt": "a blue square"}, {"steps": 4}, {"image": "J1.png"}], ids=str
)
def test_that_of_another_request_is_refused(
    tmp_path: Path, job: Job, whose: Identity, abilities: Abilities, other: dict[str, Any]
) -> None:
    asked = job.request.model_copy(update=other)
    write(path_of(tmp_path, job), identity(replace(job, request=asked), abilities), made(1))
    checkpoint, (reason,) = found(tmp_path, job, whose)
    assert checkpoint is None
    assert "request" in reason


@pytest.mark.parametrize("other", [{"revision": "another"}, {"flow_shift": 7.0}], ids=str)
def test_that_of_another_model_is_refused(
    tmp_path: Path, job: Job, whose: Identity, abilities: Abilities, other: dict[str, Any]
) -> None:
    write(path_of(tmp_path, job), identity(job, abilities.model_copy(update=other)), made(1))
    checkpoint, (reason,) = found(tmp_path, job, whose)
    assert checkpoint is None
    assert next(iter(other)) in reason


@pytest.mark.parametrize("name", ["format", "diffusers", "torch"])
def test_that_of_other_versions_is_refused(
    tmp_path: Path, job: Job, whose: Identity, name: str
) -> None:
    write(path_of(tmp_path, job), {**whose, name: "0"}, made(1))
    checkpoint, (reason,) = found(tmp_path, job, whose)
    assert checkpoint is None
    assert name in reason


@pytest.mark.parametrize("facts", [{"crashes": CRASH_LIMIT - 1}, {"failures": FAILURE_LIMIT - 1}])
def test_the_last_try_begins_anew_and_goes_on_only_from_itself(
    tmp_path: Path, job: Job, abilities: Abilities, facts: dict[str, Any]
) -> None:
    """What kills every renderer may be what was kept; what the last try keeps is not of that."""
    last = replace(job, fence=job.fence + 1, **facts)
    write(path_of(tmp_path, job), identity(job, abilities), made(5))
    assert find(tmp_path, last.job_id, identity(last, abilities)) is None
    write(path_of(tmp_path, last), identity(last, abilities), made(2))
    assert same(find(tmp_path, last.job_id, identity(last, abilities)), made(2))


def test_a_try_before_the_last_goes_on(job: Job, whose: Identity, abilities: Abilities) -> None:
    before = replace(job, crashes=CRASH_LIMIT - 2, failures=FAILURE_LIMIT - 2)
    assert identity(before, abilities) == whose


def test_a_torn_file_is_refused(tmp_path: Path, job: Job, whose: Identity) -> None:
    """Cut off at any length; the next best is taken."""
    torn = path_of(tmp_path, replace(job, fence=7))
    write(path_of(tmp_path, job), whose, made(3))
    write(torn, whose, made(4))
    content = torn.read_bytes()
    for length in [*range(24), *range(24, len(content), 37), len(content) - 1]:
        torn.write_bytes(content[:length])
        checkpoint, refused = found(tmp_path, job, whose)
        assert same(checkpoint, made(3))
        assert len(refused) == 1, length
    torn.write_bytes(content)
    assert same(find(tmp_path, job.job_id, whose), made(4))


def test_a_flipped_bit_is_refused(tmp_path: Path, job: Job, whose: Identity) -> None:
    """Wherever it is: in the header or in the numbers."""
    path = path_of(tmp_path, job)
    write(path, whose, made(4))
    content = path.read_bytes()
    dice = random.Random(1)
    header = 8 + int.from_bytes(content[:8], "little")
    places = [*range(header), *(dice.randrange(header, len(content)) for _ in range(100))]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        checkpoint, refused = found(tmp_path, job, whose)
        assert (checkpoint is None and len(refused) == 1) or same(checkpoint, made(4)), place


def test_bytes_put_after_the_end_or_swapped_inside_are_refused(
    tmp_path: Path, job: Job, whose: Identity
) -> None:
    """A whole file of the right kind whose numbers, or whose step, are not those written."""
    path = path_of(tmp_path, job)
    write(path, whose, made(4))
    content = path.read_bytes()
    at = 16 + int.from_bytes(content[:8], "little")  # in the first of the tensors of floats
    for wrong in (
        content + b"\0",
        content[:at] + content[at + 4 : at + 8] + content[at : at + 4] + content[at + 8 :],
        content.replace(b'"step":"4"', b'"step":"5"'),
    ):
        assert wrong != content
        path.write_bytes(wrong)
        assert found(tmp_path, job, whose)[0] is None


def test_what_is_no_checkpoint_at_all_is_refused(tmp_path: Path, job: Job, whose: Identity) -> None:
    fences = iter(range(1, 100))

    def place() -> Path:
        return path_of(tmp_path, replace(job, fence=next(fences)))

    place().mkdir()
    place().touch()
    place().write_bytes(b"\xff" * 4096)
    place().write_text(json.dumps(dict(whose)))
    place().symlink_to("nowhere")
    save_file({"latents": torch.zeros(2)}, place())
    save_file({"latents": torch.zeros(2)}, place(), dict(whose))
    save_file({"latents": torch.zeros(2)}, place(), {**whose, "step": "x", "sha256": "0" * 64})
    checkpoint, refused = found(tmp_path, job, whose)
    assert checkpoint is None
    assert len(refused) == next(fences) - 1


def test_a_missing_folder_holds_none(tmp_path: Path, job: Job, whose: Identity) -> None:
    assert found(tmp_path / "gone", job, whose) == (None, [])


def test_a_prompt_is_not_written_in_plain_text(tmp_path: Path, job: Job, whose: Identity) -> None:
    path = path_of(tmp_path, job)
    write(path, whose, made(1))
    assert job.request.prompt.encode() not in path.read_bytes()
