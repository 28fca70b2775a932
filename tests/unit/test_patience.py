"""Only rendering counts for the deadline of a job, never waiting."""

import pytest

from runner.render.ends import DeadlineExceeded
from runner.render.patience import Patience


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_all_claims_count_together(clock: Clock) -> None:
    patience = Patience(100, 40_000, clock)
    clock.now = 60
    patience.check()
    clock.now = 61
    assert patience.spent_ms == 101_000
    with pytest.raises(DeadlineExceeded, match="100 s"):
        patience.check()


def test_a_step_does_not_begin_the_count_anew(clock: Clock) -> None:
    patience = Patience(100, 0, clock)
    for clock.now in range(0, 101, 20):
        patience.move()
        patience.check()
    clock.now = 101
    with pytest.raises(DeadlineExceeded):
        patience.check()


def test_what_waits_between_its_two_renders_is_not_late(clock: Clock) -> None:
    patience = Patience(100, 0, clock)
    clock.now = 20
    patience.rest()
    clock.now = 10_000
    patience.check()
    patience.move()
    clock.now += 31
    assert patience.spent_ms == 51_000
