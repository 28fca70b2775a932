"""A gateway that is killed while it takes a dropped file in: it is one job, or rejected."""

import signal
from collections.abc import Iterator

import pytest

from dropping import RED, Dropping
from fault_sweep import INTAKE
from gateway.intake.take import key_of
from jobstore.clock import now_ms
from jobstore.job import Arrival
from jobstore.keys import MAIN
from life import REQUEST

BEFORE = [pytest.param(f"accept.{step}", marks=pytest.mark.long) for step in ("staged", "inserted")]
ACCEPTING = (*BEFORE, "accept.committed", *INTAKE[:2])
REJECTING = INTAKE[2:]


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropping]:
    with Dropping(tmp_path_factory.mktemp("kills"), POLL_S="0.5") as drops:
        yield drops


def killed(drops: Dropping, place: str, name: str, content: str) -> None:
    """Drop a file for a gateway that is killed at a step, and start it anew."""
    stack = drops.stack
    stack.processes["gateway"].end()
    drops.drop(name, content)
    gateway = stack.launch("gateway", FAILPOINT=f"kill:{place}")
    assert gateway.wait_for_end() == -signal.SIGKILL, "the step was never reached"
    stack.up("gateway")


@pytest.mark.parametrize("place", ACCEPTING)
def test_a_kill_makes_one_job_of_a_dropped_file(drops: Dropping, place: str) -> None:
    name, before = f"{place}.json", drops.jobs()
    killed(drops, place, name, RED)
    job = drops.job(name)
    assert drops.jobs() == before + 1
    drops.until(lambda: drops.status(name))
    assert drops.status(name)["job_id"] == job.job_id
    assert not drops.reasons(name)


@pytest.mark.parametrize("place", REJECTING)
def test_a_kill_rejects_a_dropped_file_once(drops: Dropping, place: str) -> None:
    name, before = f"{place}.json", drops.jobs()
    killed(drops, place, name, '{"prompt": ""}')
    drops.gone(name)
    (reason,) = drops.reasons(name)
    assert reason["code"] == "field_wrong"
    assert len(list((drops.inputs / "rejected").glob(f"{name}.*"))) == 2, "the file, and why"
    assert drops.status(name)["status"] == "rejected"
    assert drops.jobs() == before


def test_a_job_is_known_again_though_its_picture_cannot_be_fetched_any_more(
    drops: Dropping,
) -> None:
    """As after a kill between commit and move: nothing may say then that it was rejected."""
    content = RED.replace("}", ', "image_url": "https://192.0.2.1/gone.png"}')
    key = key_of("fetched.json", content.encode(), b"")
    arrival = Arrival("01FETCHED", REQUEST, "file:fetched.json", MAIN, key, "hash")
    drops.store.jobs.accept(arrival, now_ms())
    drops.drop("fetched.json", content)
    assert drops.job("fetched.json").job_id == "01FETCHED"


def test_what_is_followed_is_followed_by_the_next_gateway(drops: Dropping) -> None:
    """A job that ends while no gateway runs is told of by the next one."""
    drops.drop("followed.json")
    job = drops.job("followed.json")
    drops.until(lambda: drops.status("followed.json"))
    drops.stack.processes["gateway"].end()
    drops.store.jobs.cancel(job.job_id, job.accepted_at + 1)
    assert drops.status("followed.json")["status"] == "queued"
    drops.stack.up("gateway")
    drops.until(lambda: drops.status("followed.json")["status"] == "cancelled", 10)
