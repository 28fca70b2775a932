"""Pictures people send: checked, turned upright, stripped, and staged whole as PNG."""

import base64
import binascii
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from structlog.stdlib import get_logger

from jobstore.files import write_whole

log = get_logger()

FORMATS = ("PNG", "JPEG", "WEBP")
LIMIT_BYTES = 10 << 20
SIDE_MIN, SIDE_MAX, PIXELS_MAX = 16, 8192, 25_000_000
SIDE_KEPT = 2560  # twice the longest side of a video
SHAPE_MAX = 4  # the longer side by the shorter: beyond it, too little of the picture is left

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns; `decode` measures before it reads


class PictureRefused(ValueError):
    """This is no picture that can be used; the message says what would be."""


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture as PNG, and its width and height in pixels."""

    png: bytes
    size: tuple[int, int]

    def stage(self, folder: Path, name: str) -> Path:
        """Write the picture so that it is there, whole, before its job is accepted."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, self.png)
        return folder / name


def decode_base64(text: str) -> bytes:
    """Turn base64 text into bytes, measured before it is decoded.

    Raises:
        PictureRefused: too long, or not base64.
    """
    if text.startswith("data:"):
        _, comma, text = text.partition(";base64,")
        if not comma:
            message = "is not base64; a data URL has ;base64, in it"
            raise PictureRefused(message)
    if len(text) * 3 // 4 > LIMIT_BYTES:
        message = f"is larger than {LIMIT_BYTES >> 20} MiB; send a smaller image"
        raise PictureRefused(message)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        message = "is not base64; send the bytes of the file, encoded with the standard alphabet"
        raise PictureRefused(message) from error


def decode(content: bytes) -> Picture:
    """Read a picture and write it anew: upright, RGB, without metadata, lossless.

    Raises:
        PictureRefused: not a picture of a known format and sensible size.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            measure(image)
            image.draft("RGB", (SIDE_KEPT, SIDE_KEPT))
            upright = flatten(turn(shrink(image)))
    except PictureRefused:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        message = f"is not a whole {', '.join(FORMATS)} image"
        raise PictureRefused(message) from error
    png = io.BytesIO()
    upright.save(png, "PNG", compress_level=1)
    return Picture(png.getvalue(), upright.size)


def measure(image: Image.Image) -> None:
    """Look at the size before a pixel is decoded.

    Raises:
        PictureRefused: too large, too small, or more than one frame.
    """
    width, height = image.size
    if min(width, height) < SIDE_MIN or max(width, height) > SIDE_MAX:
        message = f"is {width}x{height}; each side is {SIDE_MIN} to {SIDE_MAX} pixels"
        raise PictureRefused(message)
    if max(width, height) > SHAPE_MAX * min(width, height):
        message = f"is {width}x{height}; its longer side is at most {SHAPE_MAX} times its shorter"
        raise PictureRefused(message)
    if width * height > PIXELS_MAX:
        message = f"is {width}x{height}; send at most {PIXELS_MAX // 1_000_000} megapixels"
        raise PictureRefused(message)
    # A phone's JPEG may carry a second, smaller picture (MPO): the first one is the photo.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        message = "is an animation; send a single picture"
        raise PictureRefused(message)


def shrink(image: Image.Image) -> Image.Image:
    """Make a large picture smaller; no model shows more, and memory is short."""
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE_KEPT, SIDE_KEPT))
    return image


def turn(image: Image.Image) -> Image.Image:
    """Turn a photo upright as its camera noted; a note that cannot be read says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:
        log.info("picture.untagged", error=type(error).__name__)
        return image


def flatten(image: Image.Image) -> Image.Image:
    """Make RGB of any mode; what is transparent becomes white, 16 bits become 8."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, "white")
        return Image.alpha_composite(white, opaque).convert("RGB")
    return image.convert("RGB")
