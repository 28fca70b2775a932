"""`python -m gateway.darkroom`: reads one picture from stdin and makes a new one of its pixels.

A process of its own for each picture, started by the gate and locked in before it reads. It says
on stdout that it is locked; what goes wrong after that is the picture's doing. Then it answers with
one line of JSON, and after it the PNG if there is one:

    {"notes": [...]}        the picture is good; notes say what of it could not be read
    {"refused": "..."}      it is not; the sentence says why
    {"broken": "..."}       it made something here break
"""

import io
import json
import os
import sys
import warnings

from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from gateway import cell
from gateway.pictures import (
    FORMATS,
    PIXELS_MAX,
    SHAPE_MAX,
    SIDE_KEPT,
    SIDE_MAX,
    SIDE_MIN,
    Picture,
    PictureRefused,
)

# Pillow's own limit holds at twice this number, before a decoder is made: beyond it, at least one
# side is longer than SIDE_MAX. `measure` looks closer.
Image.MAX_IMAGE_PIXELS = SIDE_MAX * SIDE_MAX // 2
SRGB = ImageCms.createProfile("sRGB")
KINDS = (PngImageFile, JpegImageFile, MpoImageFile, WebPImageFile)


def main(arguments: list[str]) -> None:
    """Make everything ready, lock the door, then read the picture."""
    *limits, parent = map(int, arguments)
    rehearse()
    cell.lock(cell.Limits(*limits), parent)
    try:
        answer(*develop(sys.stdin.buffer.read()))
    finally:
        os._exit(0)


def rehearse() -> None:
    """Develop a small picture of each kind, so that whatever is loaded when needed is there."""
    exif = Image.Exif()
    exif[0x0112] = 6
    profile: bytes | None = ImageCms.ImageCmsProfile(SRGB).tobytes()
    for kind in KINDS:
        sample = io.BytesIO()
        image = Image.new("RGB", (SIDE_MIN, SIDE_MIN))
        image.save(sample, kind.format, exif=exif, icc_profile=profile)
        decode(sample.getvalue(), [])
        profile = None  # once is enough, and it takes the most time


def develop(content: bytes) -> tuple[dict[str, object], bytes]:
    """Decode a picture, and say what came of it."""
    notes: list[str] = []
    try:
        picture = decode(content, notes)
    except PictureRefused as error:
        return {"refused": str(error)}, b""
    except Exception as error:
        return {"broken": type(error).__name__}, b""
    return {"notes": notes}, picture.png


def answer(head: dict[str, object], png: bytes) -> None:
    """Write the answer."""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.write(png)
    sys.stdout.buffer.flush()


def decode(content: bytes, notes: list[str]) -> Picture:
    """Read a picture and write it anew: upright, in RGB, without metadata, lossless.

    Args:
        content: the bytes of its file.
        notes: told what of it could not be read, and was left alone.

    Raises:
        PictureRefused: not a picture of a known format and sensible size.
    """
    try:
        upright = read(content, notes)
    except PictureRefused:
        raise
    except Image.DecompressionBombError as error:
        message = f"has too many pixels; each side is {SIDE_MIN} to {SIDE_MAX} pixels"
        raise PictureRefused(message) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # from the system, not from the picture
        message = f"is not a whole {', '.join(FORMATS)} image"
        if "MAX_TEXT" in str(error):
            message = "carries too much text or colour data; save it without metadata"
        raise PictureRefused(message) from error
    png = io.BytesIO()
    upright.save(png, "PNG", compress_level=1)
    return Picture(png.getvalue(), upright.size)


def read(content: bytes, notes: list[str]) -> Image.Image:
    """Read a picture: upright, in RGB, and nothing but its pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes are measured, and notes are told, here
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            measure(image)
            image.draft("RGB", (SIDE_KEPT, SIDE_KEPT))
            upright = flatten(colour(turn(shrink(image), notes), notes))
    upright.info.clear()  # Pillow would write some of it
    return upright


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


def turn(image: Image.Image, notes: list[str]) -> Image.Image:
    """Turn a photo upright as its camera noted; a note that cannot be read says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:
        notes.append(f"EXIF: {type(error).__name__}")
        return image


def colour(image: Image.Image, notes: list[str]) -> Image.Image:
    """Bring colours that have a profile of their own to sRGB, so that they look as they did.

    Many phones and cameras save in a wider space than the one that is meant without a profile:
    taken as they lie, such colours would be pale. A profile that cannot be used says nothing.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode == "RGB" and image.has_transparency_data:
        image = image.convert("RGBA")  # what is transparent is told by a colour, which would change
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, SRGB, outputMode=mode) or image
    except MemoryError:
        raise
    except Exception as error:
        notes.append(f"profile: {type(error).__name__}")
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


if __name__ == "__main__":
    main(sys.argv[1:])
