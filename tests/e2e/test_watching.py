"""The README's recipes answer what they promise, on lines that real processes wrote."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

import journal
from local.stack import Stack

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Watching it\n")[2].partition("\n## ")[0]
SHORT: Any = {"num_frames": 5, "steps": 2}
EXAMPLE = "01M82DP1AYBWNJN64VWY83HJNZ"
JOURNAL, FILES = re.findall(r"```sh\n(logs\(\) .*)\n```", SECTION)
RECIPES = dict(re.findall(r"^(\w[^?\n]*\?).*\n\n    (.*)$", SECTION, re.MULTILINE))


@dataclass(frozen=True)
class Lived:
    """What happened: one job was taken up again and is owed, one failed, one request was bad."""

    folder: Path
    journal: dict[str, str]
    rescued: str
    failed: str
    request_id: str


def until(condition: Callable[[], bool], patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def lived(stack: Stack, png: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """A bad morning: S3 refuses us, the renderer is killed, a picture is lost."""
    usual = stack.client.submit("a red circle moves right", **SHORT)["job_id"]
    list(stack.client.follow(usual, patience_s=60))
    stack.processes["deliver"].end()
    deliver = stack.launch("deliver", AWS_SECRET_ACCESS_KEY="wrong")
    stack.processes["render"].end()
    render = stack.launch("render", FAILPOINT="kill:claim.committed")
    rescued = stack.client.submit("a blue square moves left", **SHORT)["job_id"]
    until(lambda: not render.alive)
    failed = stack.client.submit("a red circle moves right", png, **SHORT)["job_id"]
    (stack.folder / "inputs" / "images" / f"{failed}.png").unlink()
    bad = httpx2.post(f"{stack.url}/generate", headers={"X-API-Key": stack.key}, json={"promt": 1})
    httpx2.get(f"{stack.url}/jobs", headers={"X-API-Key": "nobody's"})
    stack.up("render")
    list(stack.client.follow(failed, patience_s=60))
    until(lambda: "outbox.blocked" in deliver.log.read_text())
    folder = tmp_path_factory.mktemp("watching")
    env = journal.write(folder, stack.folder / "logs")
    yield Lived(stack.folder, env, rescued, failed, bad.headers["x-request-id"])
    stack.processes["deliver"].end()
    stack.up("deliver")
    assert list(stack.client.follow(rescued, patience_s=60))[-1]["status"] == "completed"


def answer(question: str, lived: Lived, way: str, identity: str = EXAMPLE) -> str:
    """Run a recipe as it is written, but for the id in it."""
    script = f"{way}\n{RECIPES[question].replace(EXAMPLE, identity)}"
    env = {**os.environ, **lived.journal, "DATA_DIR": str(lived.folder)}
    asked = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert asked.stderr == "", script
    return asked.stdout


def is_where(lived: Lived, way: str) -> bool:
    said = answer("Where is my job?", lived, way, lived.rescued)
    events = ["job.accepted", "job.claimed", "job.rescued", "job.rendered", "outbox.blocked"]
    return all(event in said for event in events) and lived.failed not in said


def is_why(lived: Lived, way: str) -> bool:
    said = answer("Why did jobs fail today?", lived, way)
    return f'["{lived.failed}","image_lost","' in said and "null]" not in said


def is_one_request(lived: Lived, way: str) -> bool:
    said = answer("What did one request do?", lived, way, lived.request_id)
    return '"code": "request_invalid"' in said and '"status": 422' in said


def is_how_long(lived: Lived, way: str) -> bool:
    said = answer("How long do renders, phases and steps take?", lived, way)
    found = re.search(r'"s_per_step": ([0-9.]+)', said)
    return bool(found and 0 < float(found[1]) < 60) and '"decoding_s": 0,' not in said


def is_s3(lived: Lived, way: str) -> bool:
    return "SignatureDoesNotMatch" in answer("What does S3 say?", lived, way)


def is_owed(lived: Lived, way: str) -> bool:
    said = answer("What waits for its delivery?", lived, way)
    return f'["{lived.rescued}","outbox.blocked","' in said and said.count("\n") == 1


def is_who(lived: Lived, way: str) -> bool:
    return '{"sender":"main","jobs":' in answer("Who sent what today?", lived, way)


def is_refused(lived: Lived, way: str) -> bool:
    said = answer("What was refused, to whom, and why?", lived, way)
    return '["request_invalid","main","/generate"]' in said and '["key_wrong",null,"/jobs"]' in said


def is_doing(lived: Lived, way: str) -> bool:
    said = answer("What is each process doing?", lived, way)
    states = ('"gateway": "gateway.started ', '"render": "stage.started ', '"deliver": "stage')
    return all(state in said for state in states)


def is_wrong(lived: Lived, way: str) -> bool:
    said = answer("What went wrong in the last hour?", lived, way)
    return "outbox.blocked" in said and "job.failed" in said and "request.answered" not in said


def is_crashed(lived: Lived, way: str) -> bool:
    said = answer("What crashed, and was taken up again?", lived, way)
    return f'"job.rescued","{lived.rescued}"' in said


ANSWERS: dict[str, Callable[[Lived, str], bool]] = {
    "Where is my job?": is_where,
    "Why did jobs fail today?": is_why,
    "What did one request do?": is_one_request,
    "How long do renders, phases and steps take?": is_how_long,
    "What does S3 say?": is_s3,
    "What waits for its delivery?": is_owed,
    "Who sent what today?": is_who,
    "What was refused, to whom, and why?": is_refused,
    "What is each process doing?": is_doing,
    "What went wrong in the last hour?": is_wrong,
    "What crashed, and was taken up again?": is_crashed,
}
OF_SYSTEMD = "How often did systemd restart what?"


def test_every_recipe_is_tried() -> None:
    assert set(RECIPES) == {*ANSWERS, OF_SYSTEMD}


@pytest.mark.parametrize("way", [JOURNAL, FILES], ids=["journal", "files"])
@pytest.mark.parametrize("question", ANSWERS)
def test_a_recipe_answers(lived: Lived, question: str, way: str) -> None:
    assert ANSWERS[question](lived, way), answer(question, lived, way)


def test_what_systemd_itself_says_is_counted(lived: Lived) -> None:
    """These lines are as systemd writes them; it does not run here."""
    said = answer(OF_SYSTEMD, lived, JOURNAL)
    assert re.search(r"1 wan22-render.service: Main process exited, code=killed", said)
