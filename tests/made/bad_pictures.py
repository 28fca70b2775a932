"""Pictures that are wrong, however they come: the other half of the table of bad requests."""

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

from bad_inputs import Bad, wrong

FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}


def form(*parts: bytes, end: bytes = b"--frontier--\r\n") -> bytes:
    return b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + end


def text_part(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file_part(name: str, content: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'
    return head.encode() + content


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def drawn(kind: str, size: tuple[int, int] = (64, 64), mode: str = "RGB", **how: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 128 if mode == "L" else None).save(out, kind, **how)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png_of(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG that says it is so large, with little in it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + data + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def image(content: bytes) -> Bad:
    return Bad("image_invalid", {"image_base64": b64(content)})


def url(there: str) -> Bad:
    return Bad("image_fetch_failed", {"image_url": there})


PNG = drawn("PNG")
IMAGES: dict[str, Bad] = {
    "59 not base64": Bad("image_invalid", {"image_base64": "!!!!"}),
    "60 the alphabet of URLs": Bad("image_invalid", {"image_base64": "__--"}),
    "60 without padding": Bad("image_invalid", {"image_base64": b64(PNG).rstrip("=")[:-1]}),
    "60 with line breaks": Bad("image_invalid", {"image_base64": "\n".join(b64(PNG))}),
    "61 a page as data URL": Bad("image_invalid", {"image_base64": "data:text/html,<b>"}),
    "61 SVG as data URL": Bad(
        "image_invalid", {"image_base64": f"data:image/svg+xml;base64,{b64(b'<svg/>')}"}
    ),
    "62 11 MB": Bad("image_invalid", {"image_base64": "A" * (15 << 20)}),
    "63 nothing": Bad("image_invalid", {"image_base64": ""}),
    "64 50,000 by 50,000": image(png_of(50_000, 50_000)),
    "65 9,500 by 9,500": image(png_of(9500, 9500)),
    "66 a PNG cut off": image(PNG[:-30]),
    "66 a JPEG cut off": image(drawn("JPEG", (640, 480))[:400]),
    "67 a wrong checksum": image(PNG[:40] + b"\xff" + PNG[41:]),
    "68 GIF": image(animated("GIF")),
    "68 APNG": image(animated("PNG")),
    "68 animated WebP": image(animated("WEBP")),
    "69 SVG": image(b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "69 PDF": image(drawn("PDF")),
    "69 EPS": image(drawn("EPS")),
    "69 TIFF": image(drawn("TIFF")),
    "69 ICO": image(drawn("ICO")),
    "69 BMP": image(drawn("BMP")),
    "69 HEIC": image(b"\0\0\0\x18ftypheic" + bytes(500)),
    "71 a single pixel": image(drawn("PNG", (1, 1))),
    "72 a bomb in a text chunk": image(
        png_of(64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(60 << 20))))
    ),
    "74 MP4": image(b"\0\0\0\x20ftypisom" + bytes(1000)),
    "own: a very long strip": image(drawn("PNG", (2000, 16))),
    "own: a PNG of nothing but its signature": image(b"\x89PNG\r\n\x1a\n"),
    "own: a palette without colours": image(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 3, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(65 * 64)))
        + chunk(b"IEND", b"")
    ),
    "own: sides of nothing": image(png_of(0, 0)),
    "own: sides of 2**31 - 1": image(png_of(2**31 - 1, 2**31 - 1)),
    "own: a million zeros": image(bytes(1_000_000)),
    "own: a ZIP": image(b"PK\x03\x04" + bytes(100)),
}
URLS: dict[str, Bad] = {
    "75 the metadata service": url("http://169.254.169.254/latest/meta-data/"),
    "75 the same, over https": url("https://169.254.169.254/latest/meta-data/"),
    "76 the same in IPv6": url("https://[fd00:ec2::254]/"),
    "77 mapped": url("https://[::ffff:169.254.169.254]/"),
    "77 mapped, in hex": url("https://[::ffff:a9fe:a9fe]/"),
    "78 a number": url("https://2852039166/"),
    "80 short": url("https://127.1/"),
    "80 zero": url("https://0/"),
    "80 localhost": url("https://localhost/"),
    "80 localhost.": url("https://LOCALHOST./"),
    "82 nobody": url("https://[::]/"),
    "82 a zone": url("https://[fe80::1%25eth0]/"),
    "83 10/8": url("https://10.0.0.1/"),
    "83 172.16/12": url("https://172.16.0.1/"),
    "83 192.168/16": url("https://192.168.1.1/"),
    "83 100.64/10": url("https://100.64.0.1/"),
    "83 Azure's": url("https://168.63.129.16/"),
    "83 multicast": url("https://224.0.0.1/"),
    "87 a file": url("file:///etc/passwd"),
    "87 a socket": url("unix:/run/a.sock"),
    "87 no scheme": url("//example.com/a.png"),
    "87 one slash": url("https:/example.com"),
    "87 backslashes": url("https:\\\\example.com"),
    "88 somebody named": url("https://good@169.254.169.254/"),
    "88 a fragment": url("https://169.254.169.254#@good/"),
    "89 port 22": url("https://example.com:22/"),
    "89 port 65536": url("https://example.com:65536/"),
    "89 port -1": url("https://example.com:-1/"),
    "90 a line break": url("https://example.com/\r\nHost: a"),
    "90 10 kB": url(f"https://example.com/{'a' * 10_000}"),
    "90 bad percent signs": url("https://%zz/"),
    "own: nothing": url(""),
    "own: a space": url(" "),
    "own: javascript": url("javascript:alert(1)"),
    "own: gopher": url("gopher://127.0.0.1:25/_MAIL"),
    "own: octal": url("https://0177.0.0.1/"),
    "own: hexadecimal": url("https://0x7f000001/"),
    "own: circled digits": url("https://\u2460\u2461\u2466.0.0.1/"),
    "own: 6to4": url("https://[2002:a9fe:a9fe::]/"),
    "own: NAT64": url("https://[64:ff9b::a9fe:a9fe]/"),
    "own: a URL that is a number": wrong(image_url=5),
}
FORMS: dict[str, Bad] = {
    "own: a form without an end": Bad("field_missing", b"--frontier\r\n", headers=FORM),
    "own: no boundary": Bad("form_broken", form(), headers={"Content-Type": "multipart/form-data"}),
    "own: another boundary": Bad("form_broken", b"--other\r\nx\r\n--other--", headers=FORM),
    "own: a form without a prompt": Bad("field_missing", form(), headers=FORM),
    "own: two prompts": Bad(
        "field_wrong", form(text_part("prompt", "a"), text_part("prompt", "b")), headers=FORM
    ),
    "own: two files": Bad(
        "form_broken",
        form(text_part("prompt", "a"), file_part("image", PNG), file_part("image", PNG)),
        headers=FORM,
    ),
    "own: a file of another name": Bad(
        "field_wrong", form(text_part("prompt", "a"), file_part("shell", PNG)), headers=FORM
    ),
    "own: a file that is no picture": Bad(
        "image_invalid",
        form(text_part("prompt", "a"), file_part("image", b"#!/bin/sh")),
        headers=FORM,
    ),
    "own: an empty file": Bad(
        "image_invalid", form(text_part("prompt", "a"), file_part("image", b"")), headers=FORM
    ),
    "own: a file of 11 MB": Bad(
        "image_invalid",
        form(text_part("prompt", "a"), file_part("image", PNG + bytes(11 << 20))),
        headers=FORM,
    ),
    "own: a form of 17 MB": Bad(
        "body_too_large", form(text_part("prompt", "a" * (17 << 20))), headers=FORM
    ),
    "own: a hundred parts": Bad(
        "form_broken", form(*(text_part(f"x{n}", "") for n in range(100))), headers=FORM
    ),
    "own: a seed that is a word": Bad(
        "field_wrong", form(text_part("prompt", "a"), text_part("seed", "many")), headers=FORM
    ),
    "own: a part inside of one that is text": Bad(
        "field_wrong",
        form(text_part("prompt", "a"), text_part("seed", "1"), text_part("seed[a]", "2")),
        headers=FORM,
    ),
    "own: metadata that is broken JSON": Bad(
        "json_broken", form(text_part("prompt", "a"), text_part("metadata", "{")), headers=FORM
    ),
}
PICTURES = IMAGES | URLS | FORMS
