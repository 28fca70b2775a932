"""What the fault drills share: the steps that are swept, and what must hold afterwards."""

from pathlib import Path

from jobstore.moves import State
from jobstore.store import Store

ROOT = Path(__file__).parent.parent.parent
LIFE = Path(__file__).with_name("life.py")

# Steps of the store alone, swept here; steps around it, and of the set-up of the weights, swept
# with whole processes.
STORE = (
    *("migrate.applied", "migrate.recorded", "migrate.committed"),
    *("accept.inserted", "claim.taken", "claim.committed"),
    *("finish.rendered", "finish.owed", "finish.committed"),
    *("deliver.taken", "deliver.claimed"),
    *("settle.delivered", "settle.completed", "settle.committed"),
    *("keep.kept", "webhook.settled", "webhook.buried"),
    *("delete.buried", "prune.events", "prune.outbox", "prune.job", "prune.committed"),
    *("prune.expired", "prune.owed"),
)
RECOVERY = ("rescue.taken",)
AROUND = (
    *("accept.staged", "accept.committed"),
    *("render.encoded", "render.described", "render.pictured", "render.published"),
    *("render.adopted", "checkpoint.written"),
    *("deliver.accompanied", "deliver.stored", "keep.committed", "removal.done", "webhook.sent"),
    "prune.removed",
)
INTAKE = ("intake.taken", "intake.moved", "intake.refused", "intake.rejected")

SETUP = (
    *("weights.fetched", "weights.converting", "weights.converted"),
    *("weights.described", "weights.listed", "weights.tidied"),
)


def check(url: str, folder: Path) -> None:
    """Look at what is left once both lives are over."""
    assert (folder / "acknowledged").read_text().split() == ["old", "new", "kept", "aged"]
    store = Store.open(url, folder / "wake")
    new = store.views.find("new")
    assert new
    assert new.state is State.COMPLETED
    assert store.views.find("old") is None
    states = [event.state for event in store.views.history("new")]
    assert states.count(State.RENDERED) == states.count(State.COMPLETED) == 1
    assert states[-1] is State.COMPLETED
    fences = [event.fence for event in store.views.history("new")]
    assert fences == sorted(fences)
    with store.database.reading() as connection:
        left = connection.execute("SELECT job_id, kind, state FROM outbox ORDER BY seq").fetchall()
        assert sorted(tuple(dict(row).values()) for row in left) == [
            ("aged", "removal", "delivered"),
            ("aged", "video", "delivered"),
            ("aged", "webhook", "dead"),
            ("kept", "video", "kept"),
            ("kept", "webhook", "dead"),
            *(("new", kind, "delivered") for kind in ("video", "webhook")),
        ]
        if url.startswith("sqlite"):
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.close()
