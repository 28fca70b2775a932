"""A renderer that nothing good can come of any more ends itself, and its job is not lost."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as driver

from local.stack import Stack
from runner.stage import EXIT_AT_ONCE

PROMPT = "a red circle moves right"
QUICK = {"HEARTBEAT_S": "0.5", "STALL_S": "4"}
INSISTED = 8  # once a second: for longer than a stall
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


@pytest.mark.long
def test_to_insist_on_a_store_that_is_away_is_no_stall(tmp_path: Path) -> None:
    """Nor is it one of the next job, whose frames wait for the video before to be recorded."""
    with Stack(tmp_path, env=QUICK) as stack:
        stack.start()
        with closing(driver.connect(str(tmp_path / "jobs.db"), isolation_level=None)) as store:
            store.execute("CREATE TABLE away AS SELECT 'no JSON' AS what")
            store.execute(
                "CREATE TRIGGER goes_away BEFORE UPDATE OF step_ms ON jobs"
                " BEGIN SELECT json(what) FROM away; END"
            )
            jobs = [stack.client.submit(PROMPT)["job_id"] for _ in range(2)]
            stage = stack.processes["render"]
            stage.wait_until(lambda: stage.log.read_text().count("store.missed") > INSISTED)
            store.execute("DELETE FROM away")
        for job_id in jobs:
            status = list(stack.client.follow(job_id, patience_s=60))[-1]
            assert (status["status"], status["attempt"]) == ("completed", 1)
