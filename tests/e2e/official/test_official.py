"""The official packages of OpenAI, unchanged and in processes of their own, for Python and Node."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from jobstore.clock import now_ms
from jobstore.job import Arrival, Request
from jobstore.store import Store
from local.stack import Stack
from receiver import SECRET
from runner.deliver.event import body_of, headers_of

HERE = Path(__file__).parent
REFUSED = {
    "deleted_again": ("NotFoundError", "job_unknown", "There is no such video"),
    "wrong_key": ("AuthenticationError", "key_wrong", "API_SECRET_KEY"),
    "unknown": ("NotFoundError", "job_unknown", "There is no such video"),
    "illegal_size": ("UnprocessableEntityError", "field_wrong", "this model takes 128x128"),
    "no_picture": ("UnprocessableEntityError", "image_invalid", "input_reference is not a whole"),
    "too_early": ("ConflictError", "job_unfinished", "wait until"),
    "no_such_call": ("NotFoundError", "path_unknown", "There is nothing at /v1/videos/characters"),
}

Client = list[str]
Called = dict[str, Any]


@pytest.fixture(scope="session")
def node(node_modules: Path) -> Client:
    """Node, with what calls the package beside the package."""
    for name in ("calls.mjs", "unwrap.mjs"):
        (node_modules.parent / name).write_bytes((HERE / name).read_bytes())
    return ["node", str(node_modules.parent / "calls.mjs")]


@pytest.fixture(scope="module", params=["python", "node"])
def called(request: pytest.FixtureRequest, stack: Stack, png: Path) -> Called:
    """What the calls of one client came to."""
    client = [sys.executable, str(HERE / "calls.py")]
    if request.param == "node":
        client = request.getfixturevalue("node")
    env = {"OPENAI_BASE_URL": f"{stack.url}/v1", "OPENAI_API_KEY": stack.key}
    run = subprocess.run(
        [*client, str(png)], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert run.returncode == 0, run.stderr
    called: Called = json.loads(run.stdout)
    return called


def test_a_job_is_made_polled_and_downloaded(called: Called) -> None:
    done = called["done"]
    assert (done["object"], done["status"], done["progress"]) == ("video", "completed", 100)
    assert (done["seconds"], done["size"], done["model"]) == ("0.5", "128x128", "pocket")
    assert done["created_at"] <= done["completed_at"]
    assert done["error"] is None
    size, magic = called["content"]
    assert (size > 1000, magic) == (True, "ftyp")


def test_a_picture_and_fields_of_our_own_come_with_it(called: Called, stack: Stack) -> None:
    job = stack.client.status(called["with_file"]["id"])
    assert (job["seed"], job["metadata"]) == (7, {"shot": "3"})
    assert (stack.folder / "inputs" / "images" / f"{job['job_id']}.png").is_file()


def test_a_remix_asks_for_the_same_with_another_prompt(called: Called) -> None:
    remix, done = called["remix"], called["done"]
    assert remix["remixed_from_video_id"] == done["id"] != remix["id"]
    assert (remix["prompt"], remix["seconds"]) == ("a blue square grows", "0.5")
    assert remix["seed"] == done["seed"]


def test_pages_follow_each_other_to_the_last_job(called: Called) -> None:
    pages = called["pages"]
    newest = [called["remix"]["id"], called["with_file"]["id"], called["done"]["id"]]
    assert pages[:3] == newest
    assert len(set(pages)) == len(pages)


def test_what_is_deleted_is_gone(called: Called) -> None:
    deleted = called["deleted"]
    assert (deleted["object"], deleted["deleted"]) == ("video.deleted", True)


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_raises_what_a_user_can_read(called: Called, what: str) -> None:
    kind, code, sentence = REFUSED[what]
    answer = called[what]
    assert (answer["raised"], answer["code"]) == (kind, code)
    assert sentence in answer["message"]


def test_node_takes_a_webhook_and_none_that_was_altered(
    node: Client, store: Store, ask: Callable[..., Request]
) -> None:
    arrival = Arrival("J1", ask(metadata={"shot": "naïve 圆"}), "test", "main")
    store.jobs.accept(arrival, now_ms())
    job = store.jobs.cancel("J1", now_ms())
    assert job
    body = body_of(job, "evt_J1")
    headers, text = headers_of(SECRET, "evt_J1", body, now_ms()), body.decode()
    sent = [
        {"body": text, "headers": headers},
        {"body": text.replace("J1", "J2", 1), "headers": headers},
        {"body": text, "headers": {**headers, "webhook-id": "evt_J2"}},
        {"body": text, "headers": {**headers, "webhook-timestamp": f"{now_ms() // 1000 - 9}"}},
        {"body": text, "headers": {**headers, "webhook-signature": "v1," + "A" * 43 + "="}},
    ]
    run = subprocess.run(
        ["node", str(Path(node[1]).with_name("unwrap.mjs")), SECRET],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [json.loads(body)] + ["InvalidWebhookSignatureError"] * 4


class Forgetful:
    """A way to the gateway on which the first answer never comes back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.answered = threading.Event()
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._serve)

    def close(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()

    def _start(self, work: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=work, args=args))
        self._threads[-1].start()

    def _serve(self) -> None:
        for number in range(2):
            caller, _ = self._listener.accept()
            gateway = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [caller, gateway]
            self._start(pipe, caller, gateway.sendall)
            self._start(pipe, gateway, caller.sendall if number else self._forget)

    def _forget(self, _answer: bytes) -> None:
        self.answered.set()


def pipe(source: socket.socket, to: Callable[[bytes], None]) -> None:
    """Pass on what comes, until one side has hung up."""
    try:
        while piece := source.recv(65536):
            to(piece)
    except OSError:
        return


@pytest.fixture
def forgetful(stack: Stack) -> Iterator[Forgetful]:
    way = Forgetful(stack.port)
    yield way
    way.close()


# OpenAI's own service has ended; its package warns of that, and goes on to work with others.
@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_a_create_that_timed_out_and_is_sent_again_is_one_job(
    stack: Stack, forgetful: Forgetful
) -> None:
    """The package does it by itself: it heard no answer, though the job was accepted."""
    before = {job["job_id"] for job in stack.client.jobs()}
    url = f"http://127.0.0.1:{forgetful.port}/v1"
    with OpenAI(base_url=url, api_key=stack.key, timeout=2, max_retries=2) as client:
        video = client.videos.create(prompt="a green triangle shrinks")
    assert forgetful.answered.is_set()
    assert {job["job_id"] for job in stack.client.jobs()} - before == {video.id}
