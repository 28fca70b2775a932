"""Real processes: a whole service on this machine, shared by the tests that leave it as it was."""

import fcntl
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobstore.settings import EMBEDDED_MODEL
from local.stack import Stack

ROOT = Path(__file__).parent.parent.parent
Probe = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start()
        yield stack


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model, with steps enough to be in the middle of."""
    folder = tmp_path_factory.mktemp("slow-model")
    for part in EMBEDDED_MODEL.iterdir():
        (folder / part.name).symlink_to(part)
    description = json.loads((folder / "wan22.json").read_text())
    (folder / "wan22.json").unlink()
    description["presets"]["quality"]["steps"] = 150
    (folder / "wan22.json").write_text(json.dumps(description))
    return folder


@pytest.fixture(scope="session")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that is no square, so that it has to be cut."""
    file = tmp_path_factory.mktemp("png") / "some.png"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(file)
    return file


@pytest.fixture(scope="session")
def ffprobe() -> Probe:
    """Ask a program that is not ours what a video is."""

    def probe(video: Path) -> dict[str, Any]:
        entries = "stream=codec_name,pix_fmt,r_frame_rate,nb_read_frames,width,height"
        asked = f"-v error -count_frames -select_streams v -show_entries {entries} -of default=nw=1"
        answer = subprocess.run(
            ["ffprobe", *asked.split(), str(video)], capture_output=True, text=True, check=True
        )
        return dict(line.split("=", 1) for line in answer.stdout.split())

    return probe


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The official package for Node, as its lock names it, for one process after the other."""
    official = Path(__file__).parent / "official"
    installed = ROOT / ".venv" / "official"
    installed.mkdir(exist_ok=True)
    with (installed / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json"):
            (installed / name).write_bytes((official / name).read_bytes())
        if not (installed / "node_modules" / "openai").is_dir():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=installed, check=True)
    return installed / "node_modules"
