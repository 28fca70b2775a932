"""Which addresses are anybody's on the internet; all others belong to somebody's own network.

Source:
    IANA's registries of special-purpose addresses (iana-ipv4-special-registry and
    iana-ipv6-special-registry), with every block of them, also those that are globally reachable:
    what a relay, a translator or an anycast service answers is no picture. Python's `is_global`
    of 3.11 calls 192.0.0.9, 192.88.99.1, 224.0.0.1 and 2002:7f00:1:: global.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carriers' own, and the metadata of Alibaba: 100.100.100.200
            "127.0.0.0/8",  # this machine
            "168.63.129.16/32",  # Azure's own, public by its looks
            "169.254.0.0/16",  # the link's own, and the metadata of nearly every cloud
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols' own, and the metadata of Oracle: 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)

PUBLIC_6 = IPv6Network("2000::/3")
"""All that is handed out for the internet: mapped and compatible IPv4, NAT64, unique local (the
metadata of AWS, fd00:ec2::254, is), link-local and multicast addresses lie elsewhere."""

NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols' own, Teredo among them, which carries an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which carries an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)

ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What stands before the IPv4 address in the lower half of an ISATAP address.

Source:
    RFC 5214, section 6.1.
"""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet's, and leads to no other inside of it."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in NOT_PUBLIC_4)
    return (
        address in PUBLIC_6
        and not any(address in block for block in NOT_PUBLIC_6)
        and int(address) >> 32 & 0xFFFF_FFFF not in ISATAP
    )
