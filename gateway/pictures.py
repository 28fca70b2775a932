"""Pictures people send: what may come in, and how what came in is staged.

Nothing here reads a picture: that is done in the darkroom, a process of its own behind the gate.
"""

import base64
import binascii
from pathlib import Path
from typing import NamedTuple

from jobstore.files import write_whole

FORMATS = ("PNG", "JPEG", "WEBP")
LIMIT_BYTES = 10 << 20
SIDE_MIN, SIDE_MAX, PIXELS_MAX = 16, 8192, 25_000_000
SIDE_KEPT = 2560  # twice the longest side of a video
SHAPE_MAX = 4  # the longer side by the shorter: beyond it, too little of the picture is left


class PictureRefused(ValueError):
    """This is no picture that can be used; the message says what would be."""


class Picture(NamedTuple):
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
