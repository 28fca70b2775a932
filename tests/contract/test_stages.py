"""The stages of a store tell each other how they are."""

from pathlib import Path

from jobstore.owner import Owner, machine_id
from jobstore.store import Store


def test_the_last_beat_counts(store: Store) -> None:
    store.stages.beat("render", "here", {"state": "loading"}, 1000)
    store.stages.beat("render", "here", {"state": "ready", "gpu": "A10G"}, 2000)
    store.stages.beat("render", "there", {"state": "ready"}, 1500)
    here, there = store.stages.all()
    assert (here.beat_at, here.facts) == (2000, {"state": "ready", "gpu": "A10G"})
    assert there.host == "there"


def test_whoever_leaves_is_gone(store: Store) -> None:
    store.stages.beat("deliver", "here", {}, 1000)
    store.stages.leave("deliver", "here")
    assert store.stages.all() == []


def test_a_stage_of_this_machine_lives_as_long_as_its_process(store: Store, tmp_path: Path) -> None:
    """Also when what that held was taken back, and its lock is removed."""
    here, work = machine_id(tmp_path), tmp_path
    owner = Owner.join(work)
    for host, owner_id in ((here, owner.owner_id), ("there", "another")):
        store.stages.beat("render", host, {"owner": owner_id}, 1000)
    store.stages.beat("deliver", here, {"owner": "forgotten"}, 1000)

    def living(now: int) -> list[tuple[str, str]]:
        return [(stage.name, stage.host) for stage in store.stages.living(15, work, now)]

    assert sorted(living(2000)) == sorted([("render", here), ("render", "there")])
    owner.leave()
    assert living(2000) == [("render", "there")]
    assert living(47_000) == []
