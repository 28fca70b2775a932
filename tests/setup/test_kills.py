"""Killed between any two steps, the next run finishes, and nothing half is taken for whole."""

import signal
from pathlib import Path

import pytest

from fault_sweep import SETUP
from hub_server import Hub
from setting_up import CHUNK, CONVERTED, SHARD, Run, contents


@pytest.mark.long
@pytest.mark.parametrize("place", SETUP)
def test_a_kill_at_a_step_costs_no_more_than_the_step(
    place: str, hub: Hub, run: Run, brought: Path, tmp_path: Path
) -> None:
    folder, expected = tmp_path / "checkpoint", contents(brought)
    assert run(folder, FAILPOINT=f"kill:{place}").returncode == -signal.SIGKILL
    left = contents(folder)
    assert all(left[path] == expected[path] for path in set(left) & set(expected))
    assert ("manifest.json" in left) == (place in {"weights.listed", "weights.tidied"})
    assert set(expected) <= set(left) or "manifest.json" not in left
    if place != "weights.fetched":
        hub.sent.clear()
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert contents(folder) == expected
    sent_again = sum(hub.sent.values()) - sum(map(hub.size, hub.sent))
    assert sent_again < 2 * CHUNK  # what two threads had not written yet


@pytest.mark.long
def test_shards_are_there_until_the_converted_file_is_listed(
    hub: Hub, run: Run, brought: Path, tmp_path: Path
) -> None:
    """Killed while converting, then once more when the manifest was just written."""
    folder = tmp_path / "checkpoint"
    assert run(folder, FAILPOINT="kill:weights.converting").returncode == -signal.SIGKILL
    left = contents(folder)
    assert SHARD in left
    assert CONVERTED not in left
    hub.sent.clear()
    assert run(folder, FAILPOINT="kill:weights.listed").returncode == -signal.SIGKILL
    assert {SHARD, CONVERTED, "manifest.json"} <= set(contents(folder))
    assert not hub.sent
    assert run(folder).returncode == 0
    assert contents(folder) == contents(brought)
