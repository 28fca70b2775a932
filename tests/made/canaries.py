"""Secrets that must not come out: keys and secrets of the tests, looked for in all they left."""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from local.s3 import SECRET
from local.stack import KEY_BEGINS
from receiver import SECRET as WEBHOOK_SECRET

LOG, STORE, TOLD = ("*.log",), ("jobs.db*",), ("*.json", "*.txt")
STORAGE = {"s3", "s3.log", "s3.json"}  # the S3 server itself, which has to know its secret
MOST_BYTES = 64 << 20
EVERYWHERE = re.compile(
    rb"%s[0-9a-f]{32}|%s|%s" % (KEY_BEGINS.encode(), SECRET.encode(), WEBHOOK_SECRET.encode())
)
IN_LOGS = re.compile(
    rb"X-Amz-Signature=|X-Amz-Credential=|Bearer [\w-]{20}|[A-Za-z0-9+/]{200}|wan22_[\w-]{43}"
)


def leaks(folder: Path) -> Iterator[str]:
    """Find secrets in logs, stores and what is told in files, below a folder."""
    for patterns, secrets in ((LOG, IN_LOGS), ((*LOG, *STORE, *TOLD), EVERYWHERE)):
        for pattern in patterns:
            for file in folder.rglob(pattern):
                if file.is_file() and not STORAGE & set(file.relative_to(folder).parts):
                    yield from found(file, secrets)


def found(file: Path, secrets: re.Pattern[bytes]) -> Iterator[str]:
    size_bytes = file.stat().st_size
    if not 0 < size_bytes <= MOST_BYTES:
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for match in secrets.finditer(text):
            around = text[max(0, match.start() - 80) : match.start()]
            yield f"{file}: {around!r} before a secret"
