"""Pictures as strangers send them: plain ones, and those that are made to do harm."""

import contextlib
import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(
    mode: str = "RGB", size: tuple[int, int] = (64, 48), kind: str = "PNG", **how: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **how)
    return out.getvalue()


def noted() -> dict[str, bytes]:
    """What a camera writes beside the pixels: turned by a quarter, a name, a place, a profile."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera with a name"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return {"exif": exif.tobytes(), "icc_profile": swapped_profile()}


def swapped_profile() -> bytes:
    """Make a profile in which red is green and green is red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"XYZ?").replace(b"gXYZ", b"rXYZ").replace(b"XYZ?", b"gXYZ")


def seeds() -> dict[str, bytes]:
    """Draw small pictures of every kind that comes in, none of them plain."""
    noise = Image.effect_noise((48, 32), 90)
    colours = Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))
    drawn: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "PNG": (colours, "PNG", noted()),
        "PNG, palette": (colours.quantize(17), "PNG", {"transparency": 3}),
        "PNG, 16 bits": (Image.new("I;16", (48, 32), 999), "PNG", {}),
        "PNG, transparent": (colours.convert("RGBA"), "PNG", noted()),
        "JPEG": (colours, "JPEG", noted()),
        "JPEG, progressive": (colours, "JPEG", {"progressive": True}),
        "JPEG, CMYK": (colours.convert("CMYK"), "JPEG", {}),
        "JPEG, two": (colours, "MPO", {"save_all": True, "append_images": [noise]}),
        "WebP": (colours, "WEBP", noted()),
        "WebP, lossless": (colours.convert("RGBA"), "WEBP", {"lossless": True}),
        "WebP, moving": (colours, "WEBP", {"save_all": True, "append_images": [noise]}),
    }
    files = {}
    for name, (image, kind, how) in drawn.items():
        out = io.BytesIO()
        image.save(out, kind, **how)
        files[name] = out.getvalue()
    return files


def slow_jpeg(scans: int = 20_000) -> bytes:
    """Repeat a scan of 42 bytes, each of which goes through all 25 megapixels once more.

    A thousand took 20 seconds where this was written; the format sets no limit.
    """
    whole = picture("L", (5000, 5000), "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    return whole[:scan] + whole[scan:-2] * scans + whole[-2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place + 12 <= len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        place += size + 12


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Put a chunk behind the first, IHDR."""
    return png[:33] + chunk(kind, data) + png[33:]


def without_palette() -> bytes:
    """Leave out the palette of a PNG; Pillow asserts that it is there."""
    kept = (chunk(*part) for part in chunks(picture("P")) if part[0] != b"PLTE")
    return SIGNATURE + b"".join(kept)


def deep_png(side: int) -> bytes:
    """Write a whole PNG of one colour, a thousand times smaller than its pixels."""
    packer = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return SIGNATURE + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def wide_webp() -> bytes:
    """Let a small WebP say that it is as large as the format allows: 16384x16384."""
    small = bytearray(picture(kind="WEBP", lossless=True))
    assert small[12:16] == b"VP8L"
    small[21:25] = (int.from_bytes(small[21:25], "little") | (1 << 28) - 1).to_bytes(4, "little")
    return bytes(small)


def spoil(content: bytes, dice: random.Random) -> bytes:
    """Change a file at some places: bits, bytes, lengths, order, end; a PNG may hide it."""
    spoilt = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        place = dice.randrange(len(spoilt) + 1)
        length = dice.choice((1, 2, 4, 16, 200))
        match dice.randrange(6):
            case 0:
                spoilt[place : place + 1] = dice.randbytes(1)
            case 1:
                spoilt[place : place + length] = dice.randbytes(length)
            case 2:
                spoilt[place : place + 4] = dice.choice(
                    (b"\0\0\0\0", b"\xff" * 4, b"\x7f" + b"\xff" * 3)
                )
            case 3:
                spoilt[place:place] = spoilt[place : place + length]
            case 4:
                del spoilt[place : place + length]
            case _:
                spoilt = spoilt[:place]
    return mended(bytes(spoilt)) if dice.random() < 0.5 else bytes(spoilt)


def mended(content: bytes) -> bytes:
    """Make the check sums of a PNG right, so that what is spoilt is looked at."""
    if not content.startswith(SIGNATURE):
        return content
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks(content))


def darkrooms_of(parent: int) -> list[int]:
    """Find the darkrooms that a process has started and that are locked: stderr is closed."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[-2:-1] == [b"%d" % parent] and b"gateway.darkroom" in words:
                found += [int(entry.name)] if len([*(entry / "fd").iterdir()]) == 2 else []
    return found
