"""Wrong keys are answered later and later; the clock is the test's."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brake import ADDRESSES, FORGOTTEN_S, HELD_MOST, MOST_S, Brake, network

FREE = 10
HOME = "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def brake(clock: Clock) -> Brake:
    return Brake(FREE, clock)


def wait_s(brake: Brake, address: str = HOME) -> float:
    """Tell how long the answer to one more wrong key is held back; it is gone at once here."""
    with brake.holding(address) as seconds:
        return seconds


def test_a_few_wrong_keys_are_answered_at_once_and_more_ever_later(brake: Brake) -> None:
    waits = [wait_s(brake) for _ in range(FREE + 7)]
    assert waits == [0.0] * FREE + [0.25, 0.5, 1.0, 2.0, 4.0, MOST_S, MOST_S]
    assert [wait_s(brake) for _ in range(2000)] == [MOST_S] * 2000


def test_other_addresses_do_not_wait(brake: Brake) -> None:
    for _ in range(50):
        wait_s(brake)
    assert wait_s(brake, "192.0.2.2") == 0.0


def test_it_is_forgotten_after_a_while(brake: Brake, clock: Clock) -> None:
    for _ in range(FREE + 5):
        wait_s(brake)
    clock.now += FORGOTTEN_S * (FREE + 5)
    assert wait_s(brake) == 0.0


def test_many_connections_are_no_faster_than_a_few(brake: Brake) -> None:
    """While so many answers are held back, nobody's key from there is looked at."""
    with contextlib.ExitStack() as held:
        for number in range(HELD_MOST):
            assert not brake.is_full(HOME), number
            held.enter_context(brake.holding(HOME))
        assert brake.is_full(HOME)
        assert not brake.is_full("192.0.2.2")
    assert not brake.is_full(HOME)


def test_memory_is_bounded(brake: Brake) -> None:
    for _ in range(FREE + 1):
        wait_s(brake)
    for number in range(ADDRESSES):
        wait_s(brake, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert wait_s(brake) == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_what_one_customer_has_counts_as_one(one: str, other: str) -> None:
    assert network(one) == network(other)


def test_neighbours_are_others() -> None:
    assert len({network(address) for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1")}) == 3


@given(st.text(max_size=60))
def test_whatever_stands_for_an_address_is_counted(address: str) -> None:
    assert wait_s(Brake(FREE), address) == 0.0
