"""The document says what the API does: every route is in it, and a fuzzer that believes it finds
nothing that is otherwise."""

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from calling import LEASE_MS, Calling
from gateway.app import ROUTES
from gateway.calls import CALLS
from gateway.openapi import document
from jobstore.clock import now_ms
from jobstore.moves import State
from local.stack import Stack
from runner.pocket.architecture import ABILITIES as POCKET
from runner.render.describe import WAN22_TI2V_5B as FULL

MADE = Path(__file__).parent.parent / "made"
SEED = 1
# What a request is refused for by the state of its job, and not for what it says.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "410", "416"]
"""


def documented() -> set[tuple[str, str]]:
    paths = document(CALLS, POCKET)["paths"]
    return {(method.upper(), path) for path, calls in paths.items() for method in calls}


def routed() -> set[tuple[str, str]]:
    assert all(isinstance(route, Route) for route in ROUTES)
    routes = [(route.path.replace(":job}", "}"), route.methods or ()) for route in ROUTES]
    return {(method, path) for path, methods in routes for method in methods if method != "HEAD"}


def test_every_route_is_in_the_document_and_the_reverse() -> None:
    assert documented() == routed()


@pytest.mark.parametrize("can", [POCKET, FULL], ids=["pocket", "full"])
def test_the_document_is_valid(can: Any) -> None:
    OpenAPIV31SpecValidator(document(CALLS, can)).validate()


def test_a_document_that_is_wrong_would_be_noticed() -> None:
    wrong = document(CALLS, POCKET)
    del wrong["info"]["title"]
    assert not OpenAPIV31SpecValidator(wrong).is_valid()


def test_the_page_tells_every_call_and_loads_nothing(api: Calling) -> None:
    answer = httpx2.get(f"{api.stack.url}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    for method, path in documented():
        assert f"<b>{method}</b> {path}" in page
    assert not re.search(r"<script|src=|@import|https?://", page)
    assert httpx2.get(f"{api.stack.url}/openapi.json").json()["openapi"] == "3.1.0"


@pytest.fixture
def calling(tmp_path: Path) -> Iterator[Calling]:
    """A gateway whose jobs come to an end, one way or the other, without a renderer."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    over = threading.Event()
    with Stack(tmp_path, env={"POLL_S": "600", "KEY_TRIES": "100000"}) as stack:
        stack.up("gateway")
        calling = Calling(stack, url)
        ending = threading.Thread(target=end_jobs, args=(calling, over))
        ending.start()
        yield calling
        over.set()
        ending.join()
        calling.close()


def end_jobs(calling: Calling, over: threading.Event) -> None:
    """Complete one job, cancel all others that wait, and again."""
    while not over.wait(0.03):
        if job := calling.store.jobs.claim("A", "H", LEASE_MS, now_ms()):
            calling.finish(job)
            delivery = calling.store.outbox.claim("D", "H", LEASE_MS, now_ms())
            if delivery and delivery.video:
                calling.settle(delivery)
        for job in calling.store.views.page(100, states=[State.QUEUED]):
            calling.store.jobs.cancel(job.job_id, now_ms())


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.long)])
def test_a_fuzzer_finds_nothing(calling: Calling, tmp_path: Path, examples: int) -> None:
    """schemathesis, all checks: what the document allows is taken, what it forbids refused."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    program = str(Path(sys.executable).parent / "schemathesis")
    command = [program, "--config-file", str(config), "run", f"{calling.stack.url}/openapi.json"]
    options = f"--checks all --max-examples {examples} --seed {SEED} --no-color".split()
    options += ["--continue-on-failure", "--request-timeout", "20", "--warnings", "off"]
    options += ["--header", f"X-API-Key: {calling.stack.key}"]
    paths = os.pathsep.join([str(MADE), str(MADE.parent.parent)])
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzzed", "PYTHONPATH": paths}
    run = subprocess.run(
        [*command, *options], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stdout
    but_itself = documented() - {("GET", "/openapi.json")}
    assert f"Tested: {len(but_itself)}" in run.stdout
    statuses = answered(calling.stack.folder / "logs" / "gateway.log")
    print(f"figure: schemathesis, {statuses.total()} requests, statuses {dict(statuses)}")
    assert statuses[200] > 100
    assert not [status for status in statuses if status is None or status >= 500]


def answered(log: Path) -> Counter[Any]:
    """Count the statuses that the gateway says it answered."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return Counter(line["status"] for line in lines if line["event"] == "request.answered")
