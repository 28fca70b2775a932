"""Files that are dropped and are no job, with the code that each is rejected with; as a table."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dropping import RED

Make = Callable[[Path], object]


@dataclass(frozen=True)
class BadDrop:
    """How to make a file under a name, and the code that it is rejected with."""

    code: str
    make: Make
    name: str | None = None


def text(content: str | bytes, code: str, name: str | None = None) -> BadDrop:
    raw = content if isinstance(content, bytes) else content.encode()
    return BadDrop(code, lambda path: path.write_bytes(raw), name)


def fields(code: str, /, **members: object) -> BadDrop:
    return text(json.dumps({"prompt": "a red circle"} | members), code)


def link(path: Path, to: str) -> None:
    path.symlink_to(to)


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def linked_twice(path: Path) -> None:
    other = path.with_name(f".{path.name}.other")
    other.write_text(RED)
    path.hardlink_to(other)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


LONG = "a" * 129

BAD_DROPS: Mapping[str, BadDrop] = {
    "92 empty": text("", "json_broken"),
    "93 spaces alone": text(" \n\t ", "json_broken"),
    "null": text("null", "json_broken"),
    "a list": text("[]", "json_broken"),
    "a string": text('"str"', "json_broken"),
    "a number": text("42", "json_broken"),
    "7 cut off": text('{"prompt": "a"', "json_broken"),
    "8 something behind it": text('{"prompt": "a"}x', "json_broken"),
    "9 two objects": text('{"prompt": "a"}{"prompt": "b"}', "json_broken"),
    "9 one a line": text('{"prompt": "a"}\n{"prompt": "b"}\n', "json_broken"),
    "10 a byte order mark": text(b"\xef\xbb\xbf" + RED.encode(), "json_broken"),
    "11 UTF-16": text(RED.encode("utf-16"), "json_broken"),
    "12 Latin-1": text('{"prompt": "\xe9"}'.encode("latin-1"), "json_broken"),
    "14 a NUL": text('{"prompt": "a\\u0000b"}', "field_wrong"),
    "15 a name twice": text('{"prompt": "a", "prompt": "b"}', "json_broken"),
    "16 NaN": text('{"prompt": "a", "seed": NaN}', "json_broken"),
    "17 a long number": text(f'{{"prompt": "a", "seed": {"9" * 5000}}}', "json_broken"),
    "18 deep nesting": text('{"a":' * 100_000, "json_broken"),
    "20 an unknown field": fields("field_unknown", nothing=1),
    "21 a field in capitals": fields("field_unknown", Seed=1),
    "23 text for a number": fields("field_wrong", seed="8"),
    "25 a comment": text('{"prompt": "a"} // b', "json_broken"),
    "26 compressed": text(b"\x1f\x8b\x08\x00" + bytes(20), "json_broken"),
    "33 an empty prompt": fields("field_wrong", prompt=" "),
    "34 a prompt without end": fields("field_wrong", prompt="a" * 1_000_000),
    "no prompt": text("{}", "field_missing"),
    "37 a size of nothing": fields("field_wrong", size="0x0"),
    "38 frames below zero": fields("field_wrong", num_frames=-1),
    "40 a seed below zero": fields("field_wrong", seed=-1),
    "42 an id of one's own": fields("field_unknown", job_id="01M82DP1AYBWNJN64VWY83HJNZ"),
    "43 a priority too high": fields("field_wrong", priority=1000),
    "59 no base64": fields("image_invalid", image_base64="!!!!"),
    "75 the metadata service": fields(
        "image_fetch_failed", image_url="http://169.254.169.254/latest/meta-data/"
    ),
    "87 a file as URL": fields("image_fetch_failed", image_url="file:///etc/passwd"),
    "99 a name with a space": text(RED, "file_wrong", "a b.json"),
    "99 a name with a line break": text(RED, "file_wrong", "a\nb.json"),
    "99 a name like an option": text(RED, "file_wrong", "-rf.json"),
    "99 a name that is too long": text(RED, "file_wrong", f"{LONG}.json"),
    "99 the longest name": text(RED, "file_wrong", f"{'b.' * 125}.json"),
    "99 a name that is no UTF-8": text(RED, "file_wrong", os.fsdecode(b"\xff.json")),
    "99 a name with a letter that is none of ours": text(RED, "file_wrong", "\u00e9.json"),
    "99 the same letter in two": text(RED, "file_wrong", "e\u0301.json"),
    "99 a name that a shell would run": text(RED, "file_wrong", ";$(x).json"),
    "99 a name with percent": text(RED, "file_wrong", "%2e%2e.json"),
    "98 capitals": text(RED, "file_wrong", "loud.JSON"),
    "98 some capitals": text(RED, "file_wrong", "loud.Json"),
    "100 a link to a secret": BadDrop("file_wrong", lambda path: link(path, "/etc/passwd")),
    "100 a link to nothing": BadDrop("file_wrong", lambda path: link(path, "nothing")),
    "100 a link to itself": BadDrop("file_wrong", lambda path: link(path, path.name)),
    "100 a link to the store": BadDrop("file_wrong", lambda path: link(path, "../jobs.db")),
    "a second name": BadDrop("file_wrong", linked_twice),
    "102 a pipe": BadDrop("file_wrong", os.mkfifo),
    "102 a socket": BadDrop("file_wrong", listening),
    "102 a folder": BadDrop("file_wrong", lambda path: path.mkdir()),
    "102 a tree": BadDrop("file_wrong", lambda path: (path / "a.json").mkdir(parents=True)),
    "104 a large file": BadDrop("body_too_large", lambda path: sparse(path, 200 << 20)),
    "104 a terabyte": BadDrop("body_too_large", lambda path: sparse(path, 1 << 40)),
    "108 a picture above the folder": fields("field_wrong", image_path="../../etc/shadow"),
    "108 a picture from anywhere": fields("field_wrong", image_path="/etc/shadow"),
    "108 a picture in a folder": fields("field_wrong", image_path="assets/../../x"),
    "108 a picture with a NUL": fields("field_wrong", image_path="a\x00b"),
    "108 a picture with half a letter": fields("field_wrong", image_path="\ud800"),
    "108 a picture without a name": fields("field_wrong", image_path=""),
    "108 the folder itself": fields("field_wrong", image_path="."),
    "108 the folder above": fields("field_wrong", image_path=".."),
    "108 a picture by number": fields("field_wrong", image_path=7),
    "108 a list of pictures": fields("field_wrong", image_path=["a.png"]),
    "a picture with a name that is too long": fields("field_wrong", image_path="a" * 256),
    "the pictures of others": fields("field_wrong", image_path="images"),
    "109 a path and a URL": fields(
        "field_wrong", image_path="kept.png", image_url="https://example.com/a.png"
    ),
    "109 a path and base64": fields("field_wrong", image_path="kept.png", image_base64="iVBORw0K"),
    "a key that is none": fields("idempotency_key_wrong", idempotency_key="a b"),
    "a key that is a number": fields("idempotency_key_wrong", idempotency_key=5),
    "a key without end": fields("idempotency_key_wrong", idempotency_key="k" * 256),
    "a field that looks like ours": fields("field_unknown", image="kept.png"),
}
