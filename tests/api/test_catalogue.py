"""Whatever is wrong with a request, it is told by its code and in a sentence that says what to do;
nothing breaks, nothing is kept, and nothing grows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bad_inputs import GOOD, REQUESTS, Bad
from bad_pictures import PICTURES
from calling import Calling
from gateway.problems import STATUSES
from local.stack import Stack

BAD = REQUESTS | PICTURES
GROWTH_BYTES = 50 << 20
MOST_BYTES = 4000  # of an answer
ADVICE = re.compile(  # what a sentence says that tells what to do
    r"\b(send|save|is|are|has|have|there is|see|use|should|takes|cannot|leads|only|required)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calling]:
    """A gateway alone; here nothing depends on the database."""
    folder = tmp_path_factory.mktemp("catalogue")
    with Stack(folder, env={"POLL_S": "600"}) as stack:
        stack.up("gateway")
        calling = Calling(stack, f"sqlite:///{folder / 'jobs.db'}")
        yield calling
        calling.close()


def send(api: Calling, bad: Bad) -> httpx2.Response:
    key = api.stack.key
    headers = dict(bad.headers) | ({"X-API-Key": key} if bad.keyed else {})
    body = bad.body
    if not isinstance(body, bytes | None):
        body = json.dumps({} if bad.path.endswith("/remix") else {**GOOD, **body}).encode()
    path = bad.path.replace("KEY", key)
    with httpx2.Client(base_url=api.stack.url, timeout=60) as client:
        return client.request(bad.method, path, content=body, headers=headers)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told(gateway: Calling, name: str) -> None:
    bad = BAD[name]
    answer = send(gateway, bad)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (STATUSES[bad.code], bad.code), problem
    assert problem["detail"].endswith(".")
    assert ADVICE.search(problem["detail"]), problem["detail"]
    assert problem["error"]["message"] == problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < MOST_BYTES
    assert gateway.stack.key not in answer.text


def test_all_of_it_leaves_nothing_and_takes_no_memory(gateway: Calling) -> None:
    """The first round warms up; all who try keys are known by then, and wait."""
    rows = [bad for bad in BAD.values() if bad.code != "key_wrong"]
    before = held(gateway)
    for bad in rows:
        assert send(gateway, bad).status_code < 500
    print(f"figure: {len(BAD)} bad requests, then {(held(gateway) - before) >> 20} MiB more")
    assert held(gateway) - before < GROWTH_BYTES
    assert gateway.store.views.page(10) == []
    images = gateway.stack.folder / "inputs" / "images"
    assert not images.exists() or not list(images.iterdir())


def held(api: Calling) -> int:
    """Tell the memory of the gateway: proc_pid_status(5), VmRSS, in kB."""
    status = Path(f"/proc/{api.stack.processes['gateway'].pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024
