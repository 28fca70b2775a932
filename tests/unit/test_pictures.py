"""A picture comes out upright, plain and whole, or it does not come in."""

import base64
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image, ImageCms

from gateway import darkroom
from gateway.pictures import Picture, PictureRefused, decode_base64
from strangers import noted, picture


def decode(content: bytes) -> Picture:
    return darkroom.decode(content, [])


def read(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_come_in(kind: str) -> None:
    assert decode(picture(kind=kind)).size == (64, 48)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_becomes_plain_rgb(mode: str) -> None:
    assert read(decode(picture(mode)).png).mode == "RGB"


def test_sixteen_bits_keep_their_brightness() -> None:
    out = io.BytesIO()
    Image.new("I;16", (64, 64), 32768).save(out, "PNG")
    assert read(decode(out.getvalue()).png).getpixel((0, 0)) == (128, 128, 128)


def test_what_is_transparent_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(out, "PNG")
    assert read(decode(out.getvalue()).png).getpixel((0, 0)) == (255, 255, 255)


def test_a_turned_photo_is_set_upright_and_loses_its_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "a camera with a name"
    upright = decode(picture(kind="JPEG", exif=exif.tobytes()))
    assert upright.size == (48, 64)
    assert b"a camera" not in upright.png
    assert not read(upright.png).getexif()


def test_damaged_notes_of_the_camera_do_not_matter() -> None:
    """Every byte of the EXIF block is spoilt in turn: the picture comes in all the same."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera with a name"
    whole = picture(size=(32, 24), kind="JPEG", exif=exif.tobytes())
    start = whole.index(b"Exif")
    for place in range(start, start + len(exif.tobytes())):
        for value in (0, 255):
            spoilt = whole[:place] + bytes([value]) + whole[place + 1 :]
            assert sorted(decode(spoilt).size) == [24, 32]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_with_a_profile_of_their_own_look_as_they_did(mode: str) -> None:
    """In this profile red is green: what is saved as red is seen as green."""
    out = io.BytesIO()
    red = Image.new("RGB", (64, 48), "red").convert(mode)
    red.save(out, "PNG", icc_profile=noted()["icc_profile"])
    assert read(decode(out.getvalue()).png).getpixel((0, 0)) == (0, 255, 0)


def test_a_profile_that_says_nothing_new_changes_nothing() -> None:
    noise = Image.effect_noise((256, 256), 120)
    colours = Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))
    plain, srgb = io.BytesIO(), io.BytesIO()
    colours.save(plain, "PNG")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colours.save(srgb, "PNG", icc_profile=profile)
    assert decode(srgb.getvalue()) == decode(plain.getvalue())


def test_what_is_transparent_by_its_colour_stays_so_beside_a_profile() -> None:
    out = io.BytesIO()
    red = Image.new("RGB", (64, 48), "red")
    red.save(out, "PNG", transparency=(255, 0, 0), icc_profile=noted()["icc_profile"])
    assert read(decode(out.getvalue()).png).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_profile_that_cannot_be_used_is_noted_and_left_alone(mode: str) -> None:
    notes: list[str] = []
    profile = noted()["icc_profile"][: 400 if mode == "RGB" else None]
    content = picture(mode, kind="JPEG", icc_profile=profile)
    assert darkroom.decode(content, notes).size == (64, 48)
    assert notes == ["profile: PyCMSError"]


def test_a_phones_photo_with_a_second_picture_in_it_comes_in() -> None:
    out = io.BytesIO()
    second = Image.new("RGB", (64, 48), "blue")
    Image.new("RGB", (64, 48), "red").save(out, "MPO", save_all=True, append_images=[second])
    pixel = read(decode(out.getvalue()).png).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    assert red > 200
    assert max(green, blue) < 50


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_a_large_picture_is_made_smaller(mode: str) -> None:
    assert decode(picture(mode, (6000, 3000))).size == (2560, 1280)


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello, this is no picture",
    "gif": picture(kind="GIF"),
    "tiff": picture(kind="TIFF"),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "cut png": picture(size=(512, 512))[:-40],
    "cut jpeg": picture(size=(512, 512), kind="JPEG")[:-400],
    "one pixel": picture(size=(1, 1)),
    "a strip": picture(size=(640, 64)),
    "too wide": picture(size=(9000, 4000), mode="1"),
    "too many pixels": picture(size=(6000, 6000), mode="1"),
    "animation": picture(kind="WEBP", save_all=True, append_images=[Image.new("RGB", (64, 48), 9)]),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_usable_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureRefused):
        decode(content)


@given(some.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with pytest.raises(PictureRefused):
        decode(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize(
    "text",
    ["!!!!", "aGVsbG8", "aGV sbG8=", "_-_-", "data:image/png,plain", "é", "A" * (14 << 20)],
    ids=["marks", "padding", "space", "url alphabet", "data", "accent", "14 MiB"],
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(PictureRefused):
        decode_base64(text)


def test_a_data_url_is_base64_too() -> None:
    text = base64.b64encode(b"hello").decode()
    assert decode_base64(text) == decode_base64(f"data:image/png;base64,{text}") == b"hello"


def test_a_staged_picture_is_whole(tmp_path: Path) -> None:
    staged = decode(picture()).stage(tmp_path / "images", "J1.png")
    assert read(staged.read_bytes()).size == (64, 48)
    assert [entry.name for entry in staged.parent.iterdir()] == ["J1.png"]
