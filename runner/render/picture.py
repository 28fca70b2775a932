"""The given picture, cut to the size of the video."""

from pathlib import Path

from PIL import Image


def open_covering(file: Path, width: int, height: int) -> Image.Image:
    """Open a staged picture so that it covers `width` x `height` pixels, its middle kept.

    Source:
        Wan2.2 wan/textimage2video.py `i2v`: scale with Lanczos until both sides are covered, then
        crop the centre. diffusers itself would stretch the picture.
    """
    with Image.open(file, formats=("PNG",)) as image:
        scale = max(width / image.width, height / image.height)
        covering = image.convert("RGB").resize(
            (max(width, round(image.width * scale)), max(height, round(image.height * scale))),
            Image.Resampling.LANCZOS,
        )
    left, top = (covering.width - width) // 2, (covering.height - height) // 2
    return covering.crop((left, top, left + width, top + height))
