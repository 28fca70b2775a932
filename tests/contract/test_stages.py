"""The stages of a store tell each other how they are."""

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


def test_those_live_that_have_beaten_lately_and_whose_process_is_there(store: Store) -> None:
    store.stages.beat("render", "here", {"owner": "A"}, 10_000)
    store.stages.beat("deliver", "here", {"owner": "B"}, 7000)
    store.stages.beat("gateway", "here", {"owner": "C"}, 6999)
    living = store.stages.living(1.0, {"A"}, 10_000)
    assert [stage.name for stage in living] == ["deliver"]
