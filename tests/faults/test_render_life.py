"""A process that renders is killed after every step in turn; the latents are those of one life."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fault_sweep import ROOT
from render_life import REQUESTS, STEPS

LIFE = Path(__file__).with_name("render_life.py")


def live(folder: Path, run: int, failpoint: str) -> tuple[int, list[str]]:
    """Live once; answers the exit code, and after which steps which render began."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(LIFE), str(folder), str(run)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode, [
        line for line in done.stdout.splitlines() if line[:4] in {"text", "imag"}
    ]


@pytest.mark.long
def test_killed_after_every_step_in_turn(tmp_path: Path) -> None:
    code, begun = live(tmp_path / "one", 1, "")
    assert (code, begun) == (0, ["text 0", "image 0"])
    lives: list[str] = []
    while True:
        code, begun = live(tmp_path / "many", len(lives) + 1, "kill:checkpoint.written")
        lives.append(begun[-1])
        if code == 0:
            break
    # The one that goes on from the last step of a text begins the picture, and is killed there.
    assert lives == [
        *[f"text {step}" for step in range(STEPS)],
        *[f"image {step}" for step in range(STEPS + 1)],
    ]
    for name in REQUESTS:
        once, often = (load_file(tmp_path / each / name)["latents"] for each in ("one", "many"))
        assert torch.equal(once, often)
