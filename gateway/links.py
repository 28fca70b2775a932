"""Links of our own to videos on this machine's disk, for callers who have no key at hand.

A link names a job and a moment, signed with a key made from API_SECRET_KEY: whoever has it can see
that one video until then, and nothing else.
"""

import hmac
import re

from starlette.types import Scope

from jobstore.objects import Link

PATH = re.compile(r"/jobs/([0-9A-Za-z]{1,40})/video")
QUERY = re.compile(rb"expires=(?P<ends>[0-9]{1,12})&signature=(?P<signature>[0-9a-f]{64})")
PURPOSE = b"wan22 links to videos"
READING = frozenset({"GET", "HEAD"})


class Links:
    """Signs links, and knows its own."""

    def __init__(self, secret: str, base_url: str) -> None:
        """Sign with what is made of a secret; `base_url` is where callers reach the gateway."""
        self._key = hmac.digest(secret.encode(), PURPOSE, "sha256")
        self._base_url = base_url

    def sign(self, job_id: str, expires_at: int) -> Link:
        """Make a link that is good until a moment (milliseconds), in whole seconds."""
        ends = expires_at // 1000
        query = f"expires={ends}&signature={self._signature(job_id, ends)}"
        return Link(f"{self._base_url}/jobs/{job_id}/video?{query}", ends * 1000)

    def allows(self, scope: Scope, now: int) -> bool:
        """Tell whether a request reads the video that its link is for, and in time."""
        found = PATH.fullmatch(scope["path"])
        sent = QUERY.fullmatch(scope["query_string"])
        if not found or not sent or scope["method"] not in READING:
            return False
        ends, signature = int(sent["ends"]), sent["signature"].decode()
        right = hmac.compare_digest(signature, self._signature(found[1], ends))
        return right and now < ends * 1000

    def _signature(self, job_id: str, ends: int) -> str:
        return hmac.digest(self._key, f"{job_id} {ends}".encode(), "sha256").hex()


def is_link(scope: Scope) -> bool:
    """Tell whether a request came by a link, be it a good one or not."""
    return bool(PATH.fullmatch(scope["path"])) and b"signature=" in scope["query_string"]
