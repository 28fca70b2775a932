"""The object storage and its signed links; the only file that knows boto3."""

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, Self

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from jobstore.clock import now_ms
from jobstore.errors import KeyTaken, ObjectMissing, ObjectsRefused, ObjectsUnavailable
from jobstore.settings import StorageSettings

LINK_S = 3600
PATIENCE_S = 10  # with a storage that does not answer; a piece of a file, too, is to go out in it
ONE_PIECE_BYTES = 100 << 20  # above it, a broken connection would cost too much
PARTS = TransferConfig(multipart_chunksize=16 << 20, use_threads=False)
Sent = Callable[[], int]
Watch = Callable[[Sent], None]
REFUSALS = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidToken",
        "NoSuchBucket",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
HTTP_NOT_FOUND, HTTP_PRECONDITION_FAILED = 404, 412


def unwatched(_sent: Sent) -> None:
    """Look at nothing."""


@dataclass(frozen=True)
class Link:
    """A signed link, and when it ends (milliseconds since 1970, UTC)."""

    url: str
    expires_at: int


@dataclass(frozen=True)
class StoredObject:
    """What stands under a key: its size in bytes and its SHA-256 in hex."""

    size_bytes: int
    sha256: str


class StoredBytes:
    """The bytes of an object, as they come."""

    def __init__(self, body: Any) -> None:
        """Take over what boto3 has opened."""
        self._body = body

    def read(self, size: int, /) -> bytes:
        """Read so many bytes, or what is left.

        Raises:
            ObjectsUnavailable: the storage broke off.
        """
        with as_our_errors():
            return bytes(self._body.read(size))

    def close(self) -> None:
        """Let go of the connection."""
        self._body.close()


class Objects:
    """One bucket."""

    def __init__(
        self, bucket: str, secrets: Mapping[str, str | None], **client_options: object
    ) -> None:
        """Keep the bucket's name and how to reach it; nothing connects yet."""
        self.bucket = bucket
        self._secrets = secrets
        self._client_options = client_options

    @classmethod
    def wanted(cls, settings: StorageSettings) -> Self | None:
        """Make it from settings, if they name a bucket."""
        return cls.of(settings) if settings.s3_bucket else None

    @classmethod
    def of(cls, settings: StorageSettings) -> Self:
        """Make it from settings; an endpoint of one's own is addressed by path, AWS by host name.

        Source:
            boto3 signs links with Signature Version 2 unless told otherwise (botocore
            `_default_s3_presign_to_sigv2`), and newer regions refuse the global endpoint.
        """
        own_server = settings.s3_endpoint_url is not None
        secrets = {
            name: value.get_secret_value() if value else None
            for name, value in (
                ("aws_access_key_id", settings.aws_access_key_id),
                ("aws_secret_access_key", settings.aws_secret_access_key),
                ("aws_session_token", settings.aws_session_token),
            )
        }
        return cls(
            str(settings.s3_bucket),
            secrets,
            region_name=settings.s3_region,
            endpoint_url=settings.s3_endpoint_url,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if own_server else "virtual"},
                connect_timeout=PATIENCE_S,
                read_timeout=PATIENCE_S,
                retries={"mode": "standard", "total_max_attempts": 2},
                request_checksum_calculation="when_supported",
            ),
        )

    def make_bucket(self) -> None:
        """Make the bucket, unless it is ours already.

        Raises:
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors(), suppress(self._client.exceptions.BucketAlreadyOwnedByYou):
            self._client.create_bucket(Bucket=self.bucket)

    def put_once(
        self, key: str, file: Path, job_id: str, sha256: str, watch: Watch = unwatched
    ) -> StoredObject:
        """Store a video under a key that is still free, or adopt this job's own earlier object.

        Args:
            key: the name of the object.
            file: the whole video.
            job_id: whose object it is; kept in the object's metadata.
            sha256: of the file's bytes, in hex; the storage checks what arrives against it.
            watch: called once with what tells how many bytes have gone out.

        Returns:
            What stands under the key now.

        Raises:
            KeyTaken: another job's object stands there; nothing was changed.
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors(), file.open("rb") as body:
            watch(partial(place_in, body))
            try:
                self._put(key, body, {"job-id": job_id, "sha256": sha256})
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTP_PRECONDITION_FAILED:
                    raise
        stored = self.find(key, job_id)
        if stored is None:
            message = f"The storage took {key} and does not have it."
            raise ObjectsUnavailable(message)
        return stored

    def put_beside(self, key: str, file: Path, media_type: str, job_id: str) -> None:
        """Store what belongs to a video, in place of whatever is there.

        Raises:
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors(), file.open("rb") as body:
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ContentType=media_type,
                Metadata={"job-id": job_id},
            )

    def find(self, key: str, job_id: str) -> StoredObject | None:
        """Tell what stands under the key of a job, None if nothing does.

        Raises:
            KeyTaken: another job's object stands there.
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors():
            try:
                head = self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTP_NOT_FOUND:
                    return None
                raise
        metadata = head["Metadata"]
        if metadata.get("job-id") != job_id:
            raise KeyTaken
        return StoredObject(head["ContentLength"], metadata.get("sha256", ""))

    def remove(self, key: str) -> None:
        """Remove the object under a key, if there is one.

        Raises:
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        with as_our_errors():
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def open(self, key: str, first: int, last: int) -> "StoredBytes":
        """Open an object, to read its bytes from `first` to `last`, both counted from 0.

        Raises:
            ObjectMissing: there is no such object.
            ObjectsUnavailable: the storage cannot be reached or is busy.
            ObjectsRefused: it refuses us.
        """
        span = f"bytes={first}-{last}"
        with as_our_errors():
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=span)
            except self._client.exceptions.NoSuchKey as error:
                raise ObjectMissing from error
        return StoredBytes(answer["Body"])

    def link(self, key: str, file_name: str) -> Link:
        """Sign a link to an object, good for an hour or until the signing credentials end.

        Raises:
            ObjectsRefused: there are no credentials to sign with.
        """
        with as_our_errors():
            url = self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": key,
                    "ResponseContentType": "video/mp4",
                    "ResponseContentDisposition": f'attachment; filename="{file_name}"',
                },
                ExpiresIn=LINK_S,
            )
        ends_at = now_ms() + LINK_S * 1000
        return Link(url, min(ends_at, self.credentials_end_at() or ends_at))

    def credentials_end_at(self) -> int | None:
        """Tell when the credentials end, milliseconds since 1970; None if they do not.

        Source:
            botocore.credentials.RefreshableCredentials, which a role's are, keeps their end to
            itself; it asks for new ones 10 to 15 minutes before, when something is signed. Below 20
            minutes it puts the end off by itself (botocore.utils, InstanceMetadataFetcher), so that
            a machine whose metadata service gives no new ones is told too late an end.
        """
        ends = getattr(self._session.get_credentials(), "_expiry_time", None)
        return int(ends.timestamp() * 1000) if isinstance(ends, datetime) else None

    def _put(self, key: str, body: BinaryIO, metadata: dict[str, str]) -> None:
        """Store an object unless its key is taken: in one piece, or in parts if it is large.

        Of one in parts, the storage checks each part against a hash made as it is read.
        """
        about = {"ContentType": "video/mp4", "Metadata": metadata, "IfNoneMatch": "*"}
        if os.fstat(body.fileno()).st_size > ONE_PIECE_BYTES:
            about["ChecksumAlgorithm"] = "SHA256"
            self._client.upload_fileobj(body, self.bucket, key, ExtraArgs=about, Config=PARTS)
            return
        whole = base64.b64encode(bytes.fromhex(metadata["sha256"])).decode()
        self._client.put_object(
            Bucket=self.bucket, Key=key, Body=body, ChecksumSHA256=whole, **about
        )

    @cached_property
    def _session(self) -> Any:  # boto3 makes its classes at run time
        return boto3.Session(**self._secrets)

    @cached_property
    def _client(self) -> Any:
        return self._session.client("s3", **self._client_options)


def place_in(body: BinaryIO) -> int:
    """Tell how far a file was read; 0 once it is closed, as another thread may have done."""
    with suppress(ValueError):
        return body.tell()
    return 0


@contextmanager
def as_our_errors() -> Iterator[None]:
    """Turn boto3's errors into ours, by who can do something about them."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        kind = ObjectsRefused if code in REFUSALS else ObjectsUnavailable
        raise kind(str(error)) from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise ObjectsRefused(str(error)) from error
    except (BotoCoreError, S3UploadFailedError) as error:
        raise ObjectsUnavailable(str(error)) from error
