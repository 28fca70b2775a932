"""A key that somebody chose, or that a short generator made, is told from a random one."""

import secrets
import uuid

import pytest

from gateway.strength import weakness

WEAK = {
    "empty": "",
    "short": "k",
    "31 characters": secrets.token_hex(16)[1:],
    "one character": "a" * 64,
    "two characters": "ab" * 32,
    "a word again and again": "Tr0ub4dor&3" * 6,
    "counting": "0123456789" * 4,
    "the alphabet": "abcdefghijklmnopqrstuvwxyz0123456789",
    "a placeholder": "changeme-changeme-before-you-deploy-it-0x7f",
    "another": "your-api-key-goes-here-please-replace-1234",
    "in capitals": "MY_SUPER_SECRET_API_KEY_FOR_VIDEOS_2026",
}


@pytest.mark.parametrize("key", WEAK.values(), ids=WEAK.keys())
def test_a_weak_key_is_told_why(key: str) -> None:
    assert weakness(key)


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_hex(16),
        lambda: secrets.token_hex(32),
        lambda: secrets.token_urlsafe(24),
        lambda: secrets.token_urlsafe(32),
        lambda: str(uuid.uuid4()),
    ],
)
def test_a_random_key_is_strong(make: object) -> None:
    assert callable(make)
    assert not [key for key in (make() for _ in range(2000)) if weakness(key)]
