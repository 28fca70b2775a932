"""`bin/wan22 verify`: the same bytes, or what differs."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONTENT = b"a video"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A file with its sidecar, which has more to tell than is needed here."""
    video = {"size_bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    sidecar = {"format": 1, "job_id": "J1", "video": video, "mode": "usual"}
    (tmp_path / "J1.1.json").write_text(json.dumps(sidecar))
    (tmp_path / "J1.1.mp4").write_bytes(CONTENT)
    return tmp_path / "J1.1.mp4"


def verify(*words: object) -> tuple[int, str, str]:
    """Run it as a person does, from anywhere and with no setting."""
    run = subprocess.run(
        [str(ROOT / "bin" / "wan22"), "verify", *map(str, words)],
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr


def test_the_same_bytes(video: Path) -> None:
    code, said, _ = verify(video)
    assert (code, said) == (0, f"{video}: the video of job J1, byte for byte.\n")


def test_a_copy_is_held_against_the_sidecar_that_is_named(video: Path, tmp_path: Path) -> None:
    copy = video.rename(tmp_path / "downloaded.mp4")
    assert verify(copy)[0] == 1
    assert verify(copy, tmp_path / "J1.1.json")[0] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a vidio", ["its SHA-256 is"]), (b"a vid", ["5 bytes and should have 7", "its SHA-256 is"])],
)
def test_other_bytes(video: Path, content: bytes, words: list[str]) -> None:
    video.write_bytes(content)
    code, said, why = verify(video)
    assert (code, said) == (1, "")
    assert all(word in why for word in words)
    assert ("bytes and should" in why) is (len(content) != len(CONTENT))


def test_a_file_that_is_gone(video: Path) -> None:
    video.unlink()
    code, _, why = verify(video)
    assert (code, why) == (1, f"{video} cannot be read: No such file or directory.\n")


@pytest.mark.parametrize(
    "content", ["", "[]", "no json", '{"format": 2}', '{"format": 1, "job_id": "J1", "video": {}}']
)
def test_what_is_no_sidecar(video: Path, content: str) -> None:
    sidecar = video.with_suffix(".json")
    sidecar.write_text(content)
    code, _, why = verify(video)
    assert (code, why) == (1, f"{sidecar} is no sidecar of wan22.\n")
    sidecar.unlink()
    assert verify(video)[0] == 1
