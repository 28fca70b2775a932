"""Frames become an MP4 that plays everywhere from its first byte; and looking whether one did."""

import io
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from runner.render.decode import Frames
from runner.render.judgement import Reason, Rejected

CRF = "16"
JPEG_QUALITY = 85


def encode(
    pieces: Iterable[Frames], path: Path, fps: int, tags: Mapping[str, str] | None = None
) -> None:
    """Write frames, while they come, as H.264 in MP4: yuv420p, BT.709, index first.

    If they do not come to their end, a file that is good for nothing may be left.

    Args:
        pieces: at least one; uint8 pixels, shape (frame, height, width, channel=3), RGB, even
            sides.
        path: where the file goes; its folder exists.
        fps: playback speed, frames per second.
        tags: what the file tells of itself, by names that the format knows.

    Source:
        faststart moves the index to the front: ffmpeg formats manual, mov muxer. CRF 16 is near
        what the authors' own writer uses (quality 8 of 10); the usual 25 is visibly soft.
    """
    coming = iter(pieces)
    first = next(coming)
    _count, height, width, _channels = first.shape
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata.update(tags or {})
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": CRF, "preset": "medium"}
        context = stream.codec_context
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        for pixels in chain.from_iterable(chain([first], coming)):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def probe(path: Path, shape: tuple[int, int, int], fps: int) -> bytes:
    """Read a file back to its last frame, as a player would, but forgiving nothing.

    Args:
        path: the file.
        shape: how many frames it should have, and their height and width in pixels.
        fps: the speed it should have.

    Returns:
        A picture of its middle, as JPEG.

    Raises:
        Rejected: it cannot be read to its end, or it is another video.

    Source:
        err_detect: ffmpeg codecs manual. Without it the decoder covers up what it cannot read: of
        30 bytes changed in the pictures of a file, it then told of none, and of 16 with it.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}
            count, middle = 0, None
            for count, frame in enumerate(container.decode(stream), 1):
                middle = frame if count == shape[0] // 2 + 1 else middle
            lasts = round((stream.duration or 0) * (stream.time_base or 0) * fps)
            found = (count, stream.height, stream.width, stream.average_rate, lasts)
    except (av.FFmpegError, IndexError) as error:
        message = f"The video cannot be read back: {error}."
        raise Rejected(Reason.UNREADABLE, message) from error
    if count < stream.frames:
        message = f"The video can be read for {count} of the {stream.frames} frames it should have."
        raise Rejected(Reason.UNREADABLE, message)
    wanted = (*shape, Fraction(fps), shape[0])
    if found != wanted:
        message = f"The video should be {said(wanted)}, and is {said(found)}."
        raise Rejected(Reason.OTHER_VIDEO, message)
    return as_jpeg(middle)


def as_jpeg(frame: Any) -> bytes:
    """Make a picture of a frame that is small, and good enough to choose a video by."""
    picture = io.BytesIO()
    frame.to_image().save(picture, "JPEG", quality=JPEG_QUALITY)
    return picture.getvalue()


def said(video: tuple[Any, ...]) -> str:
    """Say of a video how many frames it has, of what size and how fast, and how long it lasts."""
    count, height, width, rate, lasts = video
    return f"{count} frames of {width}x{height} at {rate} a second, lasting {lasts} of them"
