"""Whatever a stranger sends is a picture or refused, and it takes no more than it may."""

import io
import os
import signal
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image
from structlog.testing import capture_logs

from gateway import darkroom
from gateway.gate import LIMITS, GateUnavailable, admit, judge
from gateway.pictures import LIMIT_BYTES, Picture, PictureRefused
from strangers import (
    chunks,
    darkrooms_of,
    deep_png,
    noted,
    picture,
    seeds,
    slow_jpeg,
    wide_webp,
    with_chunk,
    without_palette,
)

SEEDS = seeds()
PATIENCE_S = 60
DEEP = zlib.compress(bytes(50 << 20))


@pytest.fixture(scope="module")
def slow() -> bytes:
    return slow_jpeg()


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def until_there(parent: int) -> int:
    """Wait for a darkroom that is locked."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := darkrooms_of(parent)):
        assert time.monotonic() < deadline, "there is none"
        time.sleep(0.005)
    return found[0]


def outcome(asked: Callable[[], Picture]) -> Picture | str:
    try:
        return asked()
    except PictureRefused as error:
        return str(error)


def refusal(asked: Callable[[], Picture]) -> tuple[str, list[str]]:
    """Tell how a picture was refused, and what was logged of it."""
    with capture_logs() as logs, pytest.raises(PictureRefused) as caught:
        asked()
    return str(caught.value), [f"{log['event']}: {log.get('reason')}" for log in logs]


@pytest.mark.parametrize("name", [name for name in SEEDS if name != "WebP, moving"])
def test_a_picture_comes_out_as_the_darkroom_makes_it(name: str) -> None:
    """With all that is loaded only when needed: there are no files in a darkroom."""
    assert admit(SEEDS[name]) == darkroom.decode(SEEDS[name], [])


def test_nothing_but_pixels_is_staged(tmp_path: Path) -> None:
    """Neither where a photo was taken, nor with what, nor its colour profile."""
    texts = with_chunk(SEEDS["PNG"], b"tEXt", b"Comment\0written by a person")
    for content in (texts, SEEDS["JPEG"], SEEDS["WebP"]):
        staged = admit(content).stage(tmp_path, "J1.png").read_bytes()
        assert {kind for kind, _ in chunks(staged)} == {b"IHDR", b"IDAT", b"IEND"}
        assert not {b"a camera", b"by a person", noted()["icc_profile"]} & set(staged.split(b"\0"))
        image = Image.open(io.BytesIO(staged))
        assert (image.size, image.info, dict(image.getexif())) == ((32, 48), {}, {})


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    file.write_bytes(b"something" + SEEDS["PNG"])
    kept: IO[bytes]
    with file.open("rb") as opened, tempfile.SpooledTemporaryFile() as kept:
        opened.seek(9)
        kept.write(SEEDS["PNG"])
        kept.seek(0)
        assert admit(opened) == admit(kept) == admit(SEEDS["PNG"])


def test_the_largest_picture_of_all_is_read() -> None:
    """25 megapixels with transparency, as WebP: none takes more memory."""
    noise = Image.effect_noise((1250, 1250), 60).resize((5000, 5000))
    large = io.BytesIO()
    Image.merge("RGBA", (noise,) * 4).save(large, "WEBP", quality=1, method=0, alpha_quality=0)
    assert len(large.getvalue()) < LIMIT_BYTES
    assert admit(large.getvalue()).size == (2560, 2560)


REFUSED: dict[str, tuple[bytes, str]] = {
    "deep": (deep_png(30_000), "has too many pixels"),
    "less deep": (deep_png(8200), "has too many pixels"),
    "least deep": (deep_png(5100), "is 5100x5100; send at most 25 megapixels"),
    "wide": (wide_webp(), "has too many pixels"),
    "zTXt": (with_chunk(picture(), b"zTXt", b"a\0\0" + DEEP), "save it without metadata"),
    "iTXt": (with_chunk(picture(), b"iTXt", b"a\0\1\0\0\0" + DEEP), "save it without metadata"),
    "iCCP": (with_chunk(picture(), b"iCCP", b"a\0\0" + DEEP), "save it without metadata"),
    "moving PNG": (
        picture(save_all=True, append_images=[Image.new("RGB", (64, 48), 9)]),
        "is an animation",
    ),
    "moving WebP": (SEEDS["WebP, moving"], "is an animation"),
    "endless PNG": (
        with_chunk(picture(), b"acTL", b"\x7f\xff\xff\xff\0\0\0\0"),
        "is an animation",
    ),
    "MP4": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "is not a whole PNG, JPEG, WEBP image"),
    "cut": (SEEDS["JPEG"][:-300], "is not a whole PNG, JPEG, WEBP image"),
    "nothing": (b"", "is not a whole PNG, JPEG, WEBP image"),
    "too many bytes": (bytes(LIMIT_BYTES + 1), "is larger than 10 MiB; send a smaller image"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_made_to_do_harm_is_refused_before_it_can(content: bytes, said: str) -> None:
    sentence, logs = refusal(lambda: admit(content))
    assert said in sentence
    assert logs == []


def test_what_takes_too_long_is_ended(slow: bytes) -> None:
    """The file is whole and small, and would take minutes."""
    for limits, wall_s in ((LIMITS._replace(cpu_s=1), 60.0), (LIMITS, 3.0)):
        started = time.monotonic()
        sentence, logs = refusal(partial(admit, slow, limits, wall_s))
        assert sentence == "takes too long to read; save it anew as a plain PNG"
        assert logs == ["picture.broken: timeout"]
        assert time.monotonic() - started < 30, "not minutes"


def test_what_takes_too_much_memory_is_refused() -> None:
    narrow = LIMITS._replace(memory_bytes=100 << 20)
    sentence, logs = refusal(lambda: admit(picture(size=(5000, 5000)), narrow))
    assert sentence == "takes too much memory to read; save it anew as a plain PNG"
    assert logs == ["picture.broken: MemoryError"]


def test_what_nobody_foresaw_is_refused() -> None:
    sentence, logs = refusal(lambda: admit(without_palette()))
    assert sentence == "cannot be read; save it anew as a plain PNG"
    assert logs == ["picture.broken: AssertionError"]


def test_a_darkroom_that_is_not_ready_in_time_is_not_the_pictures_fault() -> None:
    with capture_logs() as logs, pytest.raises(GateUnavailable):
        admit(picture(), wall_s=0.01)
    assert [(log["event"], log["error"]) for log in logs] == [
        ("darkroom.failed", "ChildProcessError: timeout")
    ]


def test_what_answers_too_much_is_refused() -> None:
    narrow = LIMITS._replace(answer_bytes=1000)
    sentence, logs = refusal(lambda: admit(SEEDS["PNG"], narrow))
    assert (sentence, len(logs)) == ("cannot be read; save it anew as a plain PNG", 1)


def test_a_darkroom_that_is_killed_is_the_pictures_fault(
    slow: bytes, worker: ThreadPoolExecutor
) -> None:
    asked = worker.submit(refusal, lambda: admit(slow))
    os.kill(until_there(os.getpid()), signal.SIGKILL)
    sentence, logs = asked.result(PATIENCE_S)
    assert sentence == "cannot be read; save it anew as a plain PNG"
    assert logs == ["picture.broken: Killed"]


def test_a_darkroom_knows_no_secret_and_holds_nothing_of_ours(
    slow: bytes, worker: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_SECRET_KEY", "a secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    asked = worker.submit(refusal, lambda: admit(slow))
    there = Path(f"/proc/{until_there(os.getpid())}")
    environment = (there / "environ").read_bytes()
    status = (there / "status").read_text()
    limits = " ".join((there / "limits").read_text().split())
    held = {file.name: str(file.readlink()) for file in (there / "fd").iterdir()}
    os.kill(int(there.name), signal.SIGKILL)
    asked.result(PATIENCE_S)
    names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
    assert names <= {b"PYTHONPATH", b"LD_LIBRARY_PATH", b"LC_CTYPE"}
    assert held == {"0": "/memfd:picture (deleted)", "1": "/memfd:answer (deleted)"}
    assert "NoNewPrivs:\t1" in status
    for line in (
        "Max open files 0 0",
        "Max processes 0 0",
        "Max core file size 0 0",
        "Max cpu time 8 9",
        f"Max address space {LIMITS.memory_bytes} {LIMITS.memory_bytes}",
        f"Max file size {LIMITS.answer_bytes} {LIMITS.answer_bytes}",
    ):
        assert line in limits


HEADS = some.sampled_from(
    [b'{"notes": []}\n', b'{"notes": [[], 7]}\n', b'{"refused": "\\n"}\n', b"[" * 5000, b""]
)
STARTS = some.sampled_from([b"", SEEDS["PNG"], picture("L"), picture(size=(2561, 20))])


@given(HEADS, STARTS, some.binary(max_size=80))
def test_nothing_that_a_darkroom_answers_is_believed(
    head: bytes, start: bytes, rest: bytes
) -> None:
    came = outcome(lambda: judge(io.BytesIO(head + start + rest), LIMITS))
    if isinstance(came, Picture):
        assert came == (start + rest, (48, 32))
    else:
        assert came == "cannot be read; save it anew as a plain PNG"


def test_pictures_can_be_read_side_by_side() -> None:
    names = [name for name in SEEDS if name != "WebP, moving"]
    barrier = threading.Barrier(4)

    def read(mine: list[str]) -> list[Picture]:
        barrier.wait(PATIENCE_S)
        return [admit(SEEDS[name]) for name in mine]

    with ThreadPoolExecutor(4) as threads:
        made = [*threads.map(read, [names[place::4] for place in range(4)])]
    assert sum(map(len, made)) == len(names)
