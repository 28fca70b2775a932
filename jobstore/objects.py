"""The object storage and its signed links."""

import base64
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self

from jobstore.aws import Account, Refusal, as_our_errors, status_of
from jobstore.clock import now_ms
from jobstore.errors import KeyTaken, ObjectMissing, ObjectsUnavailable
from jobstore.settings import StorageSettings

LINK_S = 3600
ONE_PIECE_BYTES = 100 << 20  # above it, a broken connection would cost too much
PART_BYTES = 16 << 20
NEW_ALONE = "*"  # If-None-Match: whatever stands there stays
Sent = Callable[[], int]
Watch = Callable[[Sent], None]
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

    def __init__(self, bucket: str, account: Account) -> None:
        """Keep the bucket's name and how to reach it; nothing connects yet."""
        self.bucket = bucket
        self._account = account

    @classmethod
    def wanted(cls, settings: StorageSettings) -> Self | None:
        """Make it from settings, if they name a bucket."""
        return cls.of(settings) if settings.s3_bucket else None

    @classmethod
    def of(cls, settings: StorageSettings) -> Self:
        """Make it from settings that name a bucket."""
        return cls(str(settings.s3_bucket), Account(settings))

    @property
    def _client(self) -> Any:
        return self._account.client

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
            except Refusal as error:
                if status_of(error) != HTTP_PRECONDITION_FAILED:
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
            except Refusal as error:
                if status_of(error) == HTTP_NOT_FOUND:
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

    def link(self, key: str, file_name: str, most_s: int = LINK_S) -> Link:
        """Sign a link to an object, good for `most_s` or until the signing credentials end.

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
                ExpiresIn=most_s,
            )
        ends_at = now_ms() + most_s * 1000
        return Link(url, min(ends_at, self.credentials_end_at() or ends_at))

    def credentials_end_at(self) -> int | None:
        """Tell when the credentials end, milliseconds since 1970; None if they do not."""
        return self._account.credentials_end_at()

    def credentials_from(self) -> str | None:
        """Tell where the credentials come from; None: there are none.

        Raises:
            ObjectsUnavailable: whoever has them does not answer.
        """
        return self._account.credentials_from()

    def _put(self, key: str, body: BinaryIO, metadata: dict[str, str]) -> None:
        """Store an object unless its key is taken: in one piece, or in parts if it is large."""
        named = {"Bucket": self.bucket, "Key": key}
        about = {"ContentType": "video/mp4", "Metadata": metadata}
        if os.fstat(body.fileno()).st_size > ONE_PIECE_BYTES:
            self._put_parts(named, body, about)
            return
        whole = base64.b64encode(bytes.fromhex(metadata["sha256"])).decode()
        self._client.put_object(
            **named, **about, Body=body, ChecksumSHA256=whole, IfNoneMatch=NEW_ALONE
        )

    def _put_parts(self, named: dict[str, str], body: BinaryIO, about: dict[str, Any]) -> None:
        """Store an object in parts, each checked by its hash; nobody sees it before its end.

        boto3's own way to upload in parts cannot be told that the key must be free.
        """
        begun = self._client.create_multipart_upload(**named, **about, ChecksumAlgorithm="SHA256")
        upload = {**named, "UploadId": begun["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            while piece := body.read(PART_BYTES):
                sha256 = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                part = {"PartNumber": len(parts) + 1, "ChecksumSHA256": sha256}
                answer = self._client.upload_part(**upload, **part, Body=piece)
                parts.append({**part, "ETag": answer["ETag"]})
            self._client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, IfNoneMatch=NEW_ALONE
            )
        except BaseException:
            with suppress(Exception):  # what cannot be taken back, a rule of the bucket removes
                self._client.abort_multipart_upload(**upload)
            raise


def place_in(body: BinaryIO) -> int:
    """Tell how far a file was read; 0 once it is closed, as another thread may have done."""
    with suppress(ValueError):
        return body.tell()
    return 0
