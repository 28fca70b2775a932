"""Whatever is said in a process comes out as one JSON object per line."""

import json
import subprocess
import sys
from typing import Any

SAY = """
import logging, warnings
import structlog
from jobstore import logs
logs.configure("test")
log = structlog.stdlib.get_logger()
with structlog.contextvars.bound_contextvars(job_id="J"):
    log.info("job.claimed", fence=3, prompt="two\\nlines")
logging.getLogger("uvicorn.error").info("not worth a line")
logging.getLogger("boto3").warning("slow %s", "down")
warnings.warn("old", stacklevel=1)
canary = "a secret"
try:
    1 / len(canary[:0])
except ZeroDivisionError:
    log.exception("stage.crashed")
"""


def said() -> list[dict[str, Any]]:
    run = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    assert not run.stderr
    assert "a secret" not in run.stdout, "a traceback shows no values"
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_everything_goes_the_same_way() -> None:
    ours, library, warning, crash = said()
    assert (ours["event"], ours["fence"], ours["job_id"]) == ("job.claimed", 3, "J")
    assert ours["prompt"] == "two\nlines"
    assert (library["event"], library["message"]) == ("library.spoke", "slow down")
    assert library["library"] == "boto3"
    assert "old" in warning["message"]
    assert crash["exception"][0]["exc_type"] == "ZeroDivisionError"
    for line in (ours, library, warning, crash):
        assert line["stage"] == "test"
        assert line["timestamp"].endswith("Z")
        assert line["level"] in {"info", "warning", "error"}
