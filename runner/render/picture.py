"""The given picture, cut to the size of the video."""

from pathlib import Path

from PIL import Image

from runner.render.ends import Hopeless


class PictureLost(Hopeless):
    """The staged picture is gone or cannot be read."""

    error_code = "image_lost"


def open_covering(file: Path, width: int, height: int) -> Image.Image:
    """Open a staged picture so that it covers `width` x `height` pixels, its middle kept.

    Source:
        Wan2.2 wan/textimage2video.py `i2v`: scale with Lanczos until both sides are covered, then
        crop the centre. diffusers itself would stretch the picture.

    Raises:
        PictureLost: the file is gone or is no picture any more.
    """
    try:
        with Image.open(file, formats=("PNG",)) as image:
            picture = image.convert("RGB")
    except (OSError, SyntaxError) as error:
        message = f"The picture of this job, {file.name}, cannot be read any more; send it again."
        raise PictureLost(message) from error
    scale = max(width / picture.width, height / picture.height)
    covering = picture.resize(
        (max(width, round(picture.width * scale)), max(height, round(picture.height * scale))),
        Image.Resampling.LANCZOS,
    )
    left, top = (covering.width - width) // 2, (covering.height - height) // 2
    return covering.crop((left, top, left + width, top + height))
