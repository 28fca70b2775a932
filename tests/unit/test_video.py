"""Frames become an MP4 that plays everywhere, from its first byte."""

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runner.render.decode import Frames
from runner.render.judgement import Reason, Rejected
from runner.render.video import encode, probe


@pytest.fixture
def frames() -> Frames:
    """Nine frames of 96x64: a gray ramp that a wrong colour range would bend."""
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    return np.broadcast_to(ramp[None, None, :, None], (9, 64, 96, 3)).copy()


def ffprobe(path: Path, what: str = "stream") -> dict[str, Any]:
    asked = ["-v", "error", "-count_frames", "-select_streams", "v", "-of", "json"]
    command = ["ffprobe", *asked, "-show_streams", "-show_format", str(path)]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    found: dict[str, Any] = answer["streams"][0] if what == "stream" else answer["format"]["tags"]
    return found


def test_every_player_can_read_it(frames: Frames, tmp_path: Path) -> None:
    encode([frames], tmp_path / "a.mp4", 24)
    stream = ffprobe(tmp_path / "a.mp4")
    assert (stream["codec_name"], stream["pix_fmt"]) == ("h264", "yuv420p")
    assert (stream["width"], stream["height"]) == (96, 64)
    assert (stream["r_frame_rate"], stream["nb_read_frames"]) == ("24/1", "9")
    assert {stream["color_space"], stream["color_primaries"], stream["color_transfer"]} == {"bt709"}
    assert stream["color_range"] == "tv"


def test_it_plays_from_its_first_byte(frames: Frames, tmp_path: Path) -> None:
    encode([frames], tmp_path / "a.mp4", 24)
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_its_poster_is_the_frame_in_its_middle(tmp_path: Path) -> None:
    frames = np.stack([np.full((64, 96, 3), 25 * place, np.uint8) for place in range(9)])
    encode([frames], tmp_path / "a.mp4", 24)
    poster = Image.open(io.BytesIO(probe(tmp_path / "a.mp4", (9, 64, 96), 24)))
    assert (poster.format, poster.size) == ("JPEG", (96, 64))
    seen = np.asarray(poster.convert("RGB")).astype(int)
    off = [np.abs(seen - frame.astype(int)).mean() for frame in frames]
    assert off.index(min(off)) == len(frames) // 2


def test_the_pixels_come_back(frames: Frames, tmp_path: Path) -> None:
    encode([frames], tmp_path / "a.mp4", 24)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.mp4")]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    ).stdout
    back = np.frombuffer(raw, np.uint8).reshape(frames.shape).astype(int)
    assert np.abs(back - frames.astype(int)).mean() < 2


def test_pieces_are_written_as_they_come(frames: Frames, tmp_path: Path) -> None:
    """Whatever the cut, no frame is lost; and nothing waits for the last piece."""
    written: list[int] = []
    noise = np.random.default_rng(1).integers(0, 256, frames.shape, np.uint8)

    def pieces() -> Iterator[Frames]:
        for _ in range(40):
            yield noise
            written.extend(file.stat().st_size for file in tmp_path.glob("b.mp4"))

    encode([frames[:1], frames[1:5], frames[5:]], tmp_path / "c.mp4", 24)
    probe(tmp_path / "c.mp4", (9, 64, 96), 24)
    encode(pieces(), tmp_path / "b.mp4", 24)
    probe(tmp_path / "b.mp4", (360, 64, 96), 24)
    assert 100_000 < written[-1] < (tmp_path / "b.mp4").stat().st_size


@pytest.mark.parametrize("count", [0, 1, 20])
def test_what_ends_the_pieces_is_told_as_it_is(frames: Frames, tmp_path: Path, count: int) -> None:
    """Before the first, after one, or when the encoder has written: closing hides nothing."""

    def pieces() -> Iterator[Frames]:
        for _ in range(count):
            yield frames
        raise InterruptedError

    with pytest.raises(InterruptedError):
        encode(pieces(), tmp_path / "a.mp4", 24)


def test_a_probe_accepts_only_what_was_asked(frames: Frames, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode([frames], path, 24)
    probe(path, (9, 64, 96), 24)
    for shape, fps in (((8, 64, 96), 24), ((9, 96, 64), 24), ((9, 64, 96), 25)):
        with pytest.raises(Rejected, match="9 frames of 96x64 at 24 a second") as error:
            probe(path, shape, fps)
        assert error.value.reason is Reason.OTHER_VIDEO


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_cut_file_is_found_out(frames: Frames, tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.mp4"
    encode([frames], path, 24)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(Rejected) as error:
        probe(path, (9, 64, 96), 24)
    assert error.value.reason is Reason.UNREADABLE


def test_changed_bytes_of_a_picture_are_not_covered_up(tmp_path: Path) -> None:
    """A decoder would; not every such change can be seen, but many are."""
    path = tmp_path / "a.mp4"
    noise = np.random.default_rng(1).integers(0, 256, (9, 64, 96, 3), np.uint8)
    encode([noise], path, 24)
    whole = path.read_bytes()
    begin, caught = whole.index(b"mdat") + 2000, 0
    for place in range(begin, len(whole), (len(whole) - begin) // 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            probe(path, (9, 64, 96), 24)
        except Rejected:
            caught += 1
    assert caught >= 5


def test_the_file_tells_of_itself(frames: Frames, tmp_path: Path) -> None:
    """In other scripts than ours as well, and only if asked."""
    told = json.dumps({"prompt": "ein roter Kreis, \u7ea2\u8272"}, ensure_ascii=False)
    for tags in ({"comment": told}, {}):
        encode([frames], tmp_path / "a.mp4", 24, tags)
        assert ffprobe(tmp_path / "a.mp4", "format").get("comment") == tags.get("comment")
