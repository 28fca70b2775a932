"""The Python client keeps to itself what is on this machine."""

import pytest

from gateway.client import may_need_a_proxy


@pytest.mark.parametrize(
    ("url", "needed"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000/x", False),
        ("http://[::1]:8000", False),
        ("https://wan22.example.com", True),
        ("http://127.0.0.1.example.com", True),
        ("http://10.0.0.1", True),
    ],
)
def test_proxies_apply_to_other_machines_only(url: str, *, needed: bool) -> None:
    assert may_need_a_proxy(url) is needed
