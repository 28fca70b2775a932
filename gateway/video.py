"""`GET /jobs/{job_id}/video`: the MP4 itself, from this machine's disk or else from the storage.

Callers are never sent on to the storage: what they send along, their key, would go there too.
"""

import re
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from structlog.stdlib import get_logger

from gateway.parts import Parts, in_thread, job_asked
from gateway.problems import Problem
from gateway.shown import find, note_read
from jobstore.clock import now_ms, text
from jobstore.errors import ObjectMissing, ObjectsRefused, ObjectsUnavailable
from jobstore.job import Job, Video
from jobstore.moves import State

log = get_logger()

PIECE_BYTES = 256 << 10
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Bytes(Protocol):
    """A file or an object, open at the first byte that is wanted."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes, or what is left."""

    def close(self) -> None:
        """Let go of it."""


class Span(NamedTuple):
    """Bytes of a file, from the first to the last, both counted from 0; of so many in all."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return self.length == self.size


async def video(request: Request) -> Response:
    """Answer with the video of a completed job, or the part of it that `Range` names."""
    parts, key_id, job_id = job_asked(request)
    job, video = await in_thread(parts.reads, completed, parts, key_id, job_id)
    await note_read(parts, key_id, [job])
    etag = f'"{video.sha256}"'
    span, partial = wanted_span(request, video.size_bytes, etag)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{job.job_id}.mp4"',
        "Content-Length": str(span.length),
        "ETag": etag,
    }
    if partial:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{span.size}"
    status = 206 if partial else 200
    if request.method == "HEAD":
        return Response(None, status, headers, media_type="video/mp4")
    source = await in_thread(parts.videos, open_video, parts, job, video, span)
    pieces = read_pieces(source, span.length, parts.videos.limiter)
    return StreamingResponse(pieces, status, headers, media_type="video/mp4")


def completed(parts: Parts, key_id: str, job_id: str) -> tuple[Job, Video]:
    """Find the video of a job.

    Raises:
        Problem: `job_unfinished`, `video_missing`, `video_expired`, or there is no such job.
    """
    job = find(parts, key_id, job_id)
    if job.ended_at is None:
        message = "The video is not there yet; wait until the status of the job is completed."
        raise Problem.of("job_unfinished", message, headers={"Retry-After": "2"})
    ends_at = parts.settings.expires_at(job)
    if ends_at is not None and ends_at <= now_ms():
        message = f"The video was kept until {text(ends_at)}; retry the job to render it anew."
        raise Problem.of("video_expired", message)
    video = parts.store.views.video(job_id)
    if video is None or job.state is not State.COMPLETED:
        message = f"This job is {job.state}, so it has no video; its status says why."
        raise Problem.of("video_missing", message)
    return job, video


def wanted_span(request: Request, size: int, etag: str) -> tuple[Span, bool]:
    """Read `Range`: which bytes are wanted, and whether they are to be answered as a part.

    One that cannot be read, that names several parts, or whose `If-Range` is of another file,
    counts as none (RFC 9110, section 14.2).

    Raises:
        Problem: `range_wrong`: it begins behind the end.
    """
    everything = Span(0, size - 1, size)
    found = RANGE.fullmatch(request.headers.get("range", "").strip())
    if not found or not any(found.groups()) or request.headers.get("if-range", etag) != etag:
        return everything, False
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return everything, False
    span = (
        Span(int(first), min(int(last or size), size - 1), size)
        if first
        else Span(max(0, size - int(last)), size - 1, size)
    )
    if span.length < 1:
        message = f"The video has {size} bytes; this range has none of them."
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem.of("range_wrong", message, headers=headers)
    return span, True


def open_video(parts: Parts, job: Job, video: Video, span: Span) -> Bytes:
    """Open a video where the wanted bytes begin: on the disk, if it is there, or in the storage.

    Raises:
        Problem: `video_missing` or `storage_unavailable`.
    """
    try:
        file = (parts.settings.data_dir / video.path).open("rb")
    except OSError:
        return open_object(parts, job, span)
    if file.seek(0, 2) != video.size_bytes:
        file.close()
        return open_object(parts, job, span)
    file.seek(span.first)
    return file


def open_object(parts: Parts, job: Job, span: Span) -> Bytes:
    """Open the video in the storage.

    Raises:
        Problem: `video_missing` or `storage_unavailable`.
    """
    message = "The video is not on this machine any more, and was not delivered to a bucket of it."
    if parts.objects is None:
        raise Problem.of("video_missing", message)
    try:
        return parts.objects.open(job.object_key, span.first, span.last)
    except ObjectMissing as error:
        message = "The video was removed from the storage; retry the job to render it anew."
        raise Problem.of("video_missing", message) from error
    except (ObjectsRefused, ObjectsUnavailable) as error:
        log.error("video.missed", job_id=job.job_id, error=str(error))
        message = "The storage cannot be read right now; try again shortly."
        raise Problem.of("storage_unavailable", message, headers={"Retry-After": "5"}) from error


async def read_pieces(source: Bytes, length: int, limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """Read so many bytes, piece by piece; no thread is held between them."""
    try:
        while length > 0:
            size = min(length, PIECE_BYTES)
            piece = await anyio.to_thread.run_sync(source.read, size, limiter=limiter)
            if not piece:
                return  # it was cut meanwhile; the server breaks the connection off
            length -= len(piece)
            yield piece
    finally:
        source.close()
