"""Wrong keys are slowed down, each more; the clock is the test's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brake import ADDRESSES, FORGOTTEN_S, FREE, MOST_S, Brake, network


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_few_wrong_keys_are_answered_at_once_and_more_wait_for_each_other(clock: Clock) -> None:
    brake = Brake(clock)
    waits = [brake.wait_s("192.0.2.1") for _ in range(FREE + 4)]
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE:] == [0.5, 1.5, 3.5, 7.5]


def test_other_addresses_do_not_wait(clock: Clock) -> None:
    brake = Brake(clock)
    for _ in range(50):
        brake.wait_s("192.0.2.1")
    assert brake.wait_s("192.0.2.2") == 0.0


def test_it_is_forgotten_after_a_while(clock: Clock) -> None:
    brake = Brake(clock)
    for _ in range(FREE + 5):
        brake.wait_s("192.0.2.1")
    clock.now += FORGOTTEN_S * (FREE + 5)
    assert brake.wait_s("192.0.2.1") == 0.0


def test_no_more_than_so_many_in_a_minute_however_many_come(clock: Clock) -> None:
    """A guesser with a thousand connections hears two answers in a minute."""
    brake = Brake(clock)
    waits = [brake.wait_s("192.0.2.1") for _ in range(1000)]
    assert len([wait_s for wait_s in waits if FREE < wait_s <= 60 + FREE]) <= FREE
    assert waits[-1] - waits[-2] == MOST_S


def test_memory_is_bounded(clock: Clock) -> None:
    brake = Brake(clock)
    for _ in range(FREE + 1):
        brake.wait_s("192.0.2.1")
    for number in range(ADDRESSES):
        brake.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert brake.wait_s("192.0.2.1") == 0.0


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
    assert Brake().wait_s(address) == 0.0
