"""A dead process is known by its freed lock, a living one never taken for dead."""

import subprocess
import sys
from pathlib import Path

from jobstore.owner import Owner, dead_owners, forget

HOLD = """
import pathlib, sys
from jobstore.owner import Owner
print(Owner.join(pathlib.Path(sys.argv[1])).owner_id, flush=True)
sys.stdin.read()
"""


def test_a_killed_process_is_known_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        owner_id = process.stdout.readline().strip()
        assert dead_owners(tmp_path) == []
        process.kill()
        process.wait()
    assert dead_owners(tmp_path) == [owner_id]
    forget(tmp_path, [owner_id])
    assert dead_owners(tmp_path) == []


def test_whoever_leaves_can_be_taken_back_from(tmp_path: Path) -> None:
    """If the store was away at the end, a lease may still stand in its name."""
    staying, leaving = Owner.join(tmp_path), Owner.join(tmp_path)
    leaving.leave()
    assert dead_owners(tmp_path) == [leaving.owner_id]
    staying.leave()


def test_owners_are_told_apart(tmp_path: Path) -> None:
    owners = [Owner.join(tmp_path) for _ in range(3)]
    assert len({owner.owner_id for owner in owners}) == 3
    for owner in owners:
        owner.leave()
