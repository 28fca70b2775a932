"""A renderer that nothing good can come of any more ends itself, and its job is not lost."""

import os
import subprocess
import sys
from pathlib import Path

from local.stack import Stack
from runner.stage import EXIT_AT_ONCE

PROMPT = "a red circle moves right"
QUICK = {"HEARTBEAT_S": "0.5", "STALL_S": "4"}
LOST = """
import sys, torch
from runner.render import film
from runner.render.serve import serve

def denoise(*_, **__):
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

film.denoise = denoise
sys.exit(serve())
"""


def test_a_render_that_stands_still(tmp_path: Path) -> None:
    with Stack(tmp_path, env=QUICK) as stack:
        stack.start()
        stack.processes["render"].end()
        stalling = stack.launch("render", FAILPOINT="hang:render.encoded")
        job_id = stack.client.submit(PROMPT)["job_id"]
        assert stalling.wait_for_end() == EXIT_AT_ONCE
        assert "render.stalled" in stalling.tail(1)
        stack.up("render")
        assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"


def test_a_card_that_fails_for_good(tmp_path: Path) -> None:
    """No card is here: its error is raised in place of the denoising, in a real process."""
    with Stack(tmp_path, env=QUICK) as stack:
        stack.start()
        stack.processes["render"].end()
        job_id = stack.client.submit(PROMPT)["job_id"]
        run = subprocess.run(
            [sys.executable, "-c", LOST],
            env=os.environ | stack.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == EXIT_AT_ONCE, run.stderr
        assert "illegal memory access" in run.stdout.splitlines()[-1]
        stack.up("render")
        status = list(stack.client.follow(job_id, patience_s=60))[-1]
        assert (status["status"], status["attempt"]) == ("completed", 2)
