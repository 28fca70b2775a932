"""Whole processes around a webhook: one that dies after it was sent sends it again, as the same."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobstore.store import Store
from local.stack import Stack
from receiver import SECRET, Receiver

PATIENCE_S = 30
PROMPT = "a red circle moves right"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(204) as receiver:
        yield receiver


@pytest.fixture
def stack(tmp_path: Path, receiver: Receiver) -> Iterator[Stack]:
    """A gateway, and a delivery stage that hardly ever looks by itself; nothing is rendered."""
    env = {"WEBHOOK_SECRET": SECRET, "WEBHOOK_ALLOW": receiver.allow, "WEBHOOK_URL": receiver.url}
    with Stack(tmp_path, env={"POLL_S": "600", **env}) as stack:
        stack.up("gateway")
        yield stack


def state(stack: Stack, job_id: str) -> str:
    return str(stack.client.status(job_id)["webhook"]["state"])


def test_a_kill_between_the_sending_and_the_note_sends_it_once_more_with_the_same_id(
    stack: Stack, receiver: Receiver
) -> None:
    stack.launch("deliver", FAILPOINT="kill:webhook.sent")
    stack.wait("deliver")
    job_id = stack.client.submit(PROMPT)["job_id"]
    stack.client.cancel(job_id)
    assert stack.processes["deliver"].wait_for_end() == -signal.SIGKILL
    assert len(receiver.received) == 1
    assert state(stack, job_id) == "delivering"
    assert receiver.came.acquire(timeout=PATIENCE_S)
    stack.up("deliver")
    assert receiver.came.acquire(timeout=PATIENCE_S)
    assert [received.webhook_id for received in receiver.received] == [f"evt_{job_id}"] * 2
    assert receiver.received[0].body == receiver.received[1].body
    stack.processes["deliver"].end()
    assert state(stack, job_id) == "delivered"


def test_an_end_is_told_at_once(stack: Stack, receiver: Receiver) -> None:
    """The stage is woken: by itself it would look ten minutes later."""
    stack.up("deliver")
    stack.processes["deliver"].wait_until(lambda: heard(stack, receiver))


def heard(stack: Stack, receiver: Receiver) -> bool:
    """End a job, and see whether its end is told; the first may come before the stage listens."""
    stack.client.cancel(stack.client.submit(PROMPT)["job_id"])
    return receiver.came.acquire(timeout=1)


def test_what_was_owed_while_the_stage_was_down_is_told_when_it_starts(
    stack: Stack, receiver: Receiver
) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    stack.client.cancel(job_id)
    stack.up("deliver")
    assert receiver.came.acquire(timeout=PATIENCE_S)
    assert receiver.received[0].webhook_id == f"evt_{job_id}"
    store = Store.open(f"sqlite:///{stack.folder / 'jobs.db'}", stack.folder / "work" / "wake")
    stack.processes["deliver"].end()
    assert store.views.webhooks(9, "owed") == []
    store.close()
