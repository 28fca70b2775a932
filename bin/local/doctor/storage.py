"""The bucket: all that the gateway and the delivery do with it, once, with a small object."""

import hashlib
import os
import tempfile
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import httpx2
from ulid import ULID

from gateway.client import may_need_a_proxy
from jobstore import settings
from jobstore.errors import ObjectsRefused, ObjectsUnavailable
from jobstore.objects import Objects
from jobstore.settings import StorageSettings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

KEY = "videos/doctor"  # below the only prefix that the policy in bin/aws allows
SIZE_BYTES = 1024
PATIENCE_S = 10
SKEW_S, REFUSED_SKEW_S = 5, 300  # S3 itself refuses from 15 minutes on, other servers from 5
POLICY = "give the role of the instance, or the user of the keys, the policy bin/aws/policy.json"
MENDS = {
    "AccessDenied": POLICY,
    "403": POLICY,
    "Forbidden": POLICY,
    "NoSuchBucket": "mend S3_BUCKET, or make the bucket: README, In AWS",
    "InvalidAccessKeyId": "mend AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "mend AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "bring new temporary credentials, or use a role: README, In AWS",
    "InvalidToken": "bring new temporary credentials, or use a role: README, In AWS",
    "PermanentRedirect": "mend S3_REGION: the bucket is in another",
    "301": "mend S3_REGION: the bucket is in another",
    "AuthorizationHeaderMalformed": "mend S3_REGION: the bucket is in another",
    "RequestTimeTooSkewed": "set the clock: sudo timedatectl set-ntp true",
    "credentials": "attach a role to the instance, or set AWS_ACCESS_KEY_ID: README, In AWS",
}
NO_BUCKET = "no S3_BUCKET: videos stay on this machine's disk"


def bucket(_machine: Machine) -> Finding:
    """Put, find, get, sign, fetch and remove a small object."""
    given = settings.read(StorageSettings)
    objects = Objects.wanted(given)
    if objects is None:
        return ok(NO_BUCKET)
    key = f"{KEY}/{ULID()}.mp4"
    try:
        found = used(objects, key)
    except ObjectsRefused as error:
        return fail(str(error), mend_of(str(error)))
    except ObjectsUnavailable as error:
        where = given.s3_endpoint_url or f"https://s3.{given.s3_region}.amazonaws.com"
        return fail(str(error), mend_of(str(error), f"look whether this machine reaches {where}"))
    if found:
        return found
    return ok(f"{given.s3_bucket} in {given.s3_region}: put, get, link and delete work")


def used(objects: Objects, key: str) -> Finding | None:
    """Do all of it; what is wrong with an object that is there."""
    content = os.urandom(SIZE_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "object"
        file.write_bytes(content)
        objects.put_once(key, file, "doctor", hashlib.sha256(content).hexdigest())
    try:
        with_key = objects.open(key, 0, SIZE_BYTES - 1)
        got = with_key.read(SIZE_BYTES)
        with_key.close()
        link = objects.link(key, "doctor.mp4", most_s=60).url
        by_link, open_to_all = fetched(link), fetched(link.partition("?")[0])
    finally:
        objects.remove(key)
    if got != content:
        return fail("another object came back than was put", "look at the storage, it is broken")
    if by_link.content != content:
        return fail(f"a signed link is answered with {by_link.status_code}", POLICY)
    if open_to_all.status_code == HTTPStatus.OK:
        return fail(
            "anybody can read the videos without a link",
            f"aws s3api put-public-access-block --bucket {objects.bucket}"
            " --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,"
            "BlockPublicPolicy=true,RestrictPublicBuckets=true",
        )
    return None


def region(_machine: Machine) -> Finding:
    """Ask the bucket itself where it is; whoever has no key is told as well."""
    given = settings.read(StorageSettings)
    objects = Objects.wanted(given)
    if objects is None:
        return ok(NO_BUCKET)
    told = asked(objects).headers.get("x-amz-bucket-region")
    return judged_region(told, str(given.s3_region))


def judged_region(told: str | None, said: str) -> Finding:
    """Judge the region that the settings say."""
    if told is None:
        return ok(f"S3_REGION is {said}; the storage does not tell its own")
    if told != said:
        return fail(f"the bucket is in {told}, S3_REGION is {said}", f"set S3_REGION={told}")
    return ok(f"the bucket is in {told}")


def clock(machine: Machine) -> Finding:
    """Compare this machine's clock with that of the storage."""
    objects = Objects.wanted(settings.read(StorageSettings))
    if objects is None:
        return ok(NO_BUCKET)
    told = asked(objects).headers.get("date")
    if told is None:
        return warn("the storage does not tell the time", "look at: timedatectl")
    return judged_clock((machine.clock() - parsedate_to_datetime(told)).total_seconds())


def judged_clock(ahead_s: float) -> Finding:
    """Judge how far the clock is ahead; a `Date` has no more than whole seconds."""
    found = f"this clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} S3's"
    mend = "sudo timedatectl set-ntp true; on EC2 the time is at 169.254.169.123"
    if abs(ahead_s) > REFUSED_SKEW_S:
        return fail(f"{found}: it refuses what is signed so", mend)
    if abs(ahead_s) > SKEW_S:
        return warn(found, mend)
    return ok("this clock is that of S3")


def credentials(machine: Machine) -> Finding:
    """Tell who asks, and until when."""
    objects = Objects.wanted(settings.read(StorageSettings))
    if objects is None:
        return ok(NO_BUCKET)
    source = objects.credentials_from()
    if source is None:
        return fail("there are none", MENDS["credentials"])
    ends_at = objects.credentials_end_at()
    if ends_at is None:
        return ok(f"keys that do not end ({source})")
    ends = datetime.fromtimestamp(ends_at / 1000, UTC)
    left_s = (ends - machine.clock()).total_seconds()
    found = f"they end at {ends:%H:%M} UTC, in {left_s / 60:.0f} min ({source})"
    if left_s <= 0:
        return fail(found, "look at the role of the instance: README, In AWS")
    return ok(found)


def asked(objects: Objects) -> httpx2.Response:
    """Ask for the bucket without a key, for what the answer says besides no.

    Raises:
        ObjectsRefused: there are no credentials, so no link tells where the bucket is.

    Source:
        S3 names a bucket's region to whomever asks for its head, whatever else it answers
        (Amazon S3 API reference, HeadBucket, `x-amz-bucket-region`).
    """
    object_url = objects.link(KEY, "doctor.mp4", most_s=60).url.partition("?")[0]
    return fetched(object_url.removesuffix(KEY), "HEAD")


def fetched(url: str, method: str = "GET") -> httpx2.Response:
    """Get a URL as anybody would; the key of a link is in it, so it is never told.

    Raises:
        ObjectsUnavailable: nobody answers there.
    """
    trust_env = may_need_a_proxy(url)
    try:
        return httpx2.request(method, url, timeout=PATIENCE_S, trust_env=trust_env)
    except httpx2.HTTPError as error:
        message = f"{httpx2.URL(url).host} does not answer: {error}"
        raise ObjectsUnavailable(message) from error


def mend_of(message: str, otherwise: str = POLICY) -> str:
    """Find what mends a refusal, by the code that is in its message."""
    return next((mend for code, mend in MENDS.items() if code in message), otherwise)
