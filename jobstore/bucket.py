"""`bin/wan22 bucket NAME`: a private bucket for the videos, with rules that clear it up."""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from jobstore import settings
from jobstore.aws import Account, Refusal, as_our_errors, status_of
from jobstore.errors import MetadataUnavailable, ObjectsRefused, Wan22Error
from jobstore.instance import Instance
from jobstore.keeping import KeepSettings

DAY_S = 86_400
SPARE_DAYS = 7  # wan22 removes a video itself, and S3 only what that never reached
PREFIX, OURS = "videos/", "wan22-"
SHUT = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
CUT_OFF_AFTER = "AbortIncompleteMultipartUpload"
CUT_OFF = {
    "ID": f"{OURS}cut-off-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    CUT_OFF_AFTER: {"DaysAfterInitiation": 1},
}
HTTP_FORBIDDEN, HTTP_NOT_FOUND, HTTP_NOT_IMPLEMENTED = 403, 404, 501
UNDOABLE = MappingProxyType(
    {
        HTTP_FORBIDDEN: "these credentials may not make it so, whose bucket it is has to",
        HTTP_NOT_IMPLEMENTED: "this server does not know how to make it so",
    }
)
FIRST_REGION = "us-east-1"  # what is meant without a constraint, and refused as one: CreateBucket


class BucketSettings(settings.StorageSettings, KeepSettings):
    """Who asks, and how long videos are kept."""


class Bucket:
    """A bucket as the owner of the machine has it; what lies in it is the delivery's business."""

    def __init__(self, name: str, client: Any, keep_s: float) -> None:
        """Name it; nothing connects yet."""
        self.name = name
        self._client = client
        self._keep_s = keep_s

    def make(self, region: str) -> Iterator[str]:
        """Make it, or bring what it lacks; tells each thing that is done, or cannot be.

        Raises:
            ObjectsUnavailable: the storage cannot be reached.
            ObjectsRefused: it refuses us, or somebody else has the name.
        """
        with as_our_errors():
            self._create(region)
            yield f"{self.name}: there"
            yield f"{self.name}: {self._tried('no part of it is public', self._shut)}"
            yield f"{self.name}: {self._tried('cleared up by rules', self._clear_up)}"

    def is_whole(self) -> bool:
        """Tell whether nothing is left to do that can be done from here.

        Raises:
            ObjectsUnavailable: the storage cannot be reached.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors():
            return self._is_there() and self._is_shut() and self._is_cleared_up()

    def rules(self) -> list[dict[str, Any]]:
        """Say what the storage removes by itself."""
        if math.isinf(self._keep_s):
            return [CUT_OFF]
        days = math.ceil(self._keep_s / DAY_S) + SPARE_DAYS
        old = {
            "ID": f"{OURS}old-videos",
            "Status": "Enabled",
            "Filter": {"Prefix": PREFIX},
            "Expiration": {"Days": days},
        }
        return [CUT_OFF, old]

    def _create(self, region: str) -> None:
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(
                Bucket=self.name, **({} if region == FIRST_REGION else where)
            )
        except self._client.exceptions.BucketAlreadyOwnedByYou:
            return
        except self._client.exceptions.BucketAlreadyExists as error:
            message = f"Somebody else has a bucket {self.name}: choose another name."
            raise ObjectsRefused(message) from error
        except Refusal as error:
            if status_of(error) != HTTP_FORBIDDEN or not self._is_there():
                raise

    def _is_there(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self.name)
        except Refusal as error:
            if status_of(error) in {HTTP_FORBIDDEN, HTTP_NOT_FOUND}:
                return False
            raise
        return True

    def _is_shut(self) -> bool:
        try:
            found = self._client.get_public_access_block(Bucket=self.name)
        except Refusal as error:
            if status_of(error) == HTTP_NOT_FOUND:
                return False
            if status_of(error) in UNDOABLE:
                return True
            raise
        return bool(found["PublicAccessBlockConfiguration"] == SHUT)

    def _is_cleared_up(self) -> bool:
        try:
            standing = [gist(rule) for rule in self._standing_rules()]
        except Refusal as error:
            if status_of(error) in UNDOABLE:
                return True
            raise
        return all(gist(rule) in standing for rule in self.rules())

    @staticmethod
    def _tried(what: str, do: Callable[[], None]) -> str:
        try:
            do()
        except Refusal as error:
            if status_of(error) not in UNDOABLE:
                raise
            return f"{UNDOABLE[status_of(error)]}: {what}"
        return what

    def _shut(self) -> None:
        self._client.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=SHUT)

    def _clear_up(self) -> None:
        others = [
            rule for rule in self._standing_rules() if not rule.get("ID", "").startswith(OURS)
        ]
        self._client.put_bucket_lifecycle_configuration(
            Bucket=self.name, LifecycleConfiguration={"Rules": [*others, *self.rules()]}
        )

    def _standing_rules(self) -> list[dict[str, Any]]:
        try:
            found = self._client.get_bucket_lifecycle_configuration(Bucket=self.name)
        except Refusal as error:
            if status_of(error) == HTTP_NOT_FOUND:
                return []
            raise
        return list(found["Rules"])


def gist(rule: dict[str, Any]) -> tuple[Any, ...]:
    """Cut a rule down to what no server spells in a way of its own."""
    return tuple(map(rule.get, ("ID", "Status", "Expiration", CUT_OFF_AFTER)))


def main() -> int:
    """Make it, or look whether it is there; 1 if something lacks."""
    asked = parsed()
    try:
        given = settings.read(BucketSettings)
        region = asked.region or given.s3_region or region_here()
        account = Account(given.model_copy(update={"s3_region": region}))
        bucket = Bucket(asked.name, account.client, given.keep_videos_s)
        if asked.check:
            return 0 if bucket.is_whole() else 1
        for line in bucket.make(region):
            sys.stderr.write(f"{line}\n")
    except Wan22Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"S3_BUCKET={asked.name}\nS3_REGION={region}\n")
    return 0


def region_here() -> str:
    """Tell the region of this machine.

    Raises:
        ObjectsRefused: it is in none.
    """
    try:
        region = Instance().tell("placement/region")
    except MetadataUnavailable:
        region = None
    if not region:
        message = "Which region? Name it: --region us-east-1, or S3_REGION in the settings."
        raise ObjectsRefused(message)
    return region


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/wan22 bucket",
        description="Make a private bucket for the videos, or bring what one of yours lacks: no"
        " public access; uploads that were cut off go after a day, and what wan22 itself did not"
        f" remove {SPARE_DAYS} days after KEEP_VIDEOS_S. Other rules of the bucket stay.",
    )
    parser.add_argument("name", help="what it is called; no other bucket in the world is")
    parser.add_argument("--region", help="where; S3_REGION, or that of this machine, if left out")
    parser.add_argument("--check", action="store_true", help="only tell by the exit code")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
