"""An address is public only if it is one of the internet's, and hides no other."""

import itertools
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobstore.addresses import NOT_PUBLIC_4, NOT_PUBLIC_6, is_public
from spellings import BLOCKS, SIXES

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255"),
    *("100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255"),
    *("192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
    *("198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"),
    *("2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::200e", "2003::1"),
)
REGISTRY = (
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32"),
    *("192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24"),
    *("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4"),
    *("::1/128", "::/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128"),
    *("2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28"),
    *("2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48"),
    *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
)
"""IANA's registries of special-purpose addresses, with what multicast has for itself."""


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("block", REGISTRY)
def test_no_special_block_is_public_from_its_first_address_to_its_last(block: str) -> None:
    network = ip_network(block)
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert not is_public(address)


@pytest.mark.parametrize("address", [*BLOCKS, *SIXES])
def test_what_is_spelled_in_many_ways_is_not_public(address: str) -> None:
    plain = address.rstrip(".").partition("%")[0]
    if plain != "2600:1f18::1":  # it is, but is not connected to
        assert not is_public(ip_address(plain))


@given(some.ip_addresses(v=4))
def test_what_is_public_is_so_to_python_as_well(address: IPv4Address) -> None:
    """Its own list has gaps; ours may have none where it has none."""
    assert not is_public(address) or (address.is_global and not address.is_multicast)


EMBEDDING = (
    *("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/96"),
    *("2600:1f18::5efe:0:0/96", "2600:1f18::200:5efe:0:0/96"),
)


@given(some.ip_addresses(v=4), some.sampled_from(EMBEDDING), some.integers(0, 2**80 - 1))
def test_no_address_that_has_another_in_it_is_public(
    inner: IPv4Address, block: str, rest: int
) -> None:
    assert not is_public(IPv6Address(int(IPv6Network(block)[0]) | int(inner)))
    assert not is_public(IPv6Address(0x2002 << 112 | int(inner) << 80 | rest)), "6to4"
    assert not is_public(IPv6Address(0x2001_0000 << 96 | int(inner) << 64 | rest >> 16)), "Teredo"


def test_the_blocks_are_in_order_and_none_is_in_another() -> None:
    for one, following in itertools.pairwise(NOT_PUBLIC_4):
        assert one[-1] < following[0]
    for six, following_six in itertools.pairwise(NOT_PUBLIC_6):
        assert six[-1] < following_six[0]
