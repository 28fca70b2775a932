"""No condition of a statement is idle: without any one of them, the store does something else."""

from collections.abc import Callable

import pytest

from battery import BATTERY, Scenario
from contract_shop import Ask
from history_debts import FullPlay
from history_play import Figures, hurry
from jobstore.store import Store
from mutants import Mutant, mutants, query

INDEX = "a leased row is in that state anyway (CHECK); said for the partial index, see test_views"
EQUIVALENT = {
    ("orphaned_jobs", "state = 'processing'"): INDEX,
    ("rescue_deliveries", "state = 'delivering'"): INDEX,
    (
        "read_job",
        "unread_hash IS NOT NULL",
    ): "whose id was given out meanwhile, which only PostgreSQL"
    " lets happen; else it saves writing a row",
    (
        "hasten_deliveries",
        "state = 'owed'",
    ): "what waits for its time is owed; said for the partial index",
    ("calm_host", "streak > 0"): "only saves writing a row at each step",
    ("prune_outbox", "state IN ('delivered', 'dead')"): "prunable_jobs owe nothing; the last guard"
    " of a debt that is made meanwhile, which only PostgreSQL lets happen",
    ("prune_job", "ended_at IS NOT NULL"): "prunable_jobs have ended, for good; the last guard"
    " of a job that lives",
}


def survives(play: Callable[[], FullPlay], scenario: Scenario) -> bool:
    """Tell whether a scenario goes as the model says."""
    try:
        scenario(play())
    except Exception:
        return False
    return True


@pytest.fixture
def play(store: Store, ask: Ask) -> Callable[[], FullPlay]:
    hurry(store)
    return lambda: FullPlay(store, ask, Figures())


@pytest.fixture
def dialect(store: Store) -> str:
    return hurry(store)


@pytest.fixture
def caught(store: Store, play: Callable[[], FullPlay], dialect: str) -> Callable[[Mutant], bool]:
    """Run the battery against a mutant, until it shows."""

    def run(mutant: Mutant) -> bool:
        right = getattr(store.database.queries, mutant.statement)
        setattr(store.database.queries, mutant.statement, query(mutant, dialect))
        try:
            return not all(survives(play, scenario) for scenario in BATTERY)
        finally:
            setattr(store.database.queries, mutant.statement, right)

    return run


def test_the_battery_passes_on_the_statements_as_they_are(play: Callable[[], FullPlay]) -> None:
    """Otherwise it would catch everything."""
    for scenario in BATTERY:
        scenario(play())


@pytest.mark.parametrize("everything", [False, pytest.param(True, marks=pytest.mark.long)])
def test_every_condition_is_needed(
    caught: Callable[[Mutant], bool], dialect: str, *, everything: bool
) -> None:
    """Each one is dropped in turn; those that may be are named, with the reason.

    On PostgreSQL the short form drops those alone that SQLite has not: all others are one text.
    """
    made = mutants(dialect)
    if dialect == "postgresql" and not everything:
        made = [mutant for mutant in made if mutant.statement.startswith("claim_")]
    idle = {(mutant.statement, mutant.term) for mutant in made if not caught(mutant)}
    print(f"figure: {dialect}: {len(made)} conditions dropped, {len(idle)} of them equivalent")
    assert idle - EQUIVALENT.keys() == set()
    named = {(mutant.statement, mutant.term) for mutant in made}
    assert {each for each in EQUIVALENT if each in named or everything} - idle == set()
