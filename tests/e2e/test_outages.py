"""S3 fails in every way that a network has: nothing is lost, halved or rendered twice."""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from faulty_way import Fault, FaultyWay
from jobstore.job import Job, Request
from jobstore.moves import State
from jobstore.owner import machine_id
from jobstore.settings import Settings
from jobstore.store import Store
from local.s3 import BUCKET, S3Server
from local.stack import Stack
from paying import owe

CONTENT = os.urandom(3 << 20)
RECOVERS_S = 30
SOON = {"POLL_S": "0.5", "HEARTBEAT_S": "1", "LEASE_S": "6"}


@dataclass
class Delivering:
    """A delivery stage in a process of its own, on a way to its storage that may fail."""

    stack: Stack
    way: FaultyWay
    s3: S3Server
    store: Store
    request: Request

    def owe(self, content: bytes = CONTENT) -> Job:
        settings = Settings(data_dir=self.stack.folder)
        host = machine_id(settings.work)
        return owe(self.store, settings, host, self.request, content)

    def until(self, job: Job, state: State, within_s: float = 90) -> float:
        """Wait until a job is in a state; tells how long that took."""
        began = time.monotonic()
        while (now := self.store.views.find(job.job_id)) and now.state is not state:
            assert time.monotonic() - began < within_s, self.stack.processes["deliver"].tail(9)
            time.sleep(0.05)
        return time.monotonic() - began

    def until_it_failed(self, job: Job) -> str:
        """Wait until a try of a delivery was given up; tells why."""
        began = time.monotonic()
        while True:
            with self.store.database.reading() as connection:
                row = connection.execute(
                    "SELECT error FROM outbox WHERE job_id = ?", (job.job_id,)
                ).fetchone()
            if row["error"]:
                return str(row["error"])
            assert time.monotonic() - began < 90, self.stack.processes["deliver"].tail(9)
            time.sleep(0.05)

    def stored(self, job: Job) -> bool:
        """Tell whether the object is there, whole, and the only one of its job."""
        listed = {entry["Key"] for entry in self.s3.objects_of(job.job_id)}
        stem = job.object_key.removesuffix(".mp4")
        assert listed == {f"{stem}.json", f"{stem}.jpg", f"{stem}.mp4"}
        body = self.s3.client.get_object(Bucket=BUCKET, Key=job.object_key)["Body"].read()
        return bool(body == CONTENT)

    def renders(self, job: Job) -> int:
        events = self.store.views.history(job.job_id)
        return [event.state for event in events].count(State.RENDERED)


@contextmanager
def delivering_by(
    folder: Path, way: FaultyWay, s3: S3Server, request: Request, **env: str
) -> Iterator[Delivering]:
    """Start the delivery stage, and nothing else."""
    stack = Stack(folder, env={**s3.env, "S3_ENDPOINT_URL": way.url, **SOON})
    store = Store.open(f"sqlite:///{folder / 'jobs.db'}", folder / "work" / "wake")
    stack.launch("deliver", **env)
    try:
        yield Delivering(stack, way, s3, store, request)
    finally:
        stack.processes["deliver"].end()
        store.close()


@pytest.fixture(scope="module")
def delivering(
    tmp_path_factory: pytest.TempPathFactory, s3: S3Server, ask_once: Request
) -> Iterator[Delivering]:
    folder = tmp_path_factory.mktemp("outages")
    with FaultyWay(s3.port) as way, delivering_by(folder, way, s3, ask_once) as delivering:
        yield delivering


FAULTS = [
    pytest.param(Fault(busy=True), id="busy"),
    pytest.param(Fault(resets_after=1 << 20), id="reset in the middle"),
    pytest.param(Fault(loses_answers=True), id="answers lost"),
    pytest.param(Fault(stops_after=1 << 20), id="half open", marks=pytest.mark.long),
    pytest.param(Fault(hangs=True), id="hanging", marks=pytest.mark.long),
    pytest.param(Fault(bytes_per_s=1024), id="very slow", marks=pytest.mark.long),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_delays_and_loses_nothing(delivering: Delivering, fault: Fault) -> None:
    way = delivering.way
    way.become(fault)
    job = delivering.owe()
    assert way.met.wait(60)
    reason = delivering.until_it_failed(job)
    sizes = [entry["Size"] for entry in delivering.s3.videos_of(job.job_id)]
    assert sizes in ([], [len(CONTENT)]), "no half object is ever seen"
    way.become(Fault())
    took_s = delivering.until(job, State.COMPLETED)
    print(f"figure: after an outage ({reason[:60]}): delivered in {took_s:.1f} s")
    assert took_s < RECOVERS_S
    assert delivering.stored(job)
    assert delivering.renders(job) == 1


def test_a_day_without_s3_delays_and_loses_nothing(delivering: Delivering) -> None:
    """The port is closed; what was tried for a day waits five minutes between two tries."""
    delivering.way.refuse()
    jobs = [delivering.owe() for _ in range(5)]
    for job in jobs:
        delivering.until_it_failed(job)
    with delivering.store.database.writing() as connection:
        connection.execute(
            "UPDATE outbox SET attempt = 300, due_at = due_at + 290000 WHERE state = 'owed'"
        )
    delivering.way.accept()
    took_s = max(delivering.until(job, State.COMPLETED) for job in jobs)
    print(f"figure: after a day without S3: five deliveries in {took_s:.1f} s")
    assert took_s < RECOVERS_S
    assert all(delivering.stored(job) and delivering.renders(job) == 1 for job in jobs)


@pytest.mark.long
def test_a_server_that_is_killed_delays_and_loses_nothing(
    tmp_path: Path, ask_once: Request
) -> None:
    """Killed in the middle of an upload; what it acknowledged is on its disk when it is back."""
    server = S3Server(tmp_path / "s3", tmp_path / "s3.log")
    server.start()
    with (
        FaultyWay(server.port, Fault(stops_after=1 << 20)) as way,
        delivering_by(tmp_path / "data", way, server, ask_once) as delivering,
    ):
        job = delivering.owe()
        assert way.met.wait(60)
        server.stop()
        way.become(Fault())
        delivering.until_it_failed(job)
        server.start()
        took_s = delivering.until(job, State.COMPLETED)
        print(f"figure: after the S3 server was killed: delivered in {took_s:.1f} s")
        assert took_s < RECOVERS_S
        assert delivering.stored(job)
    server.stop()


def test_a_clock_that_is_wrong_is_told_and_delays_nothing_for_long(
    tmp_path: Path, s3: S3Server, ask_once: Request
) -> None:
    """The storage refuses what was signed an hour ago; then the clock is set right."""
    clock = tmp_path / "clock"
    clock.write_text("-1h")
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"))
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with (
        FaultyWay(s3.port) as way,
        delivering_by(tmp_path / "data", way, s3, ask_once, **env) as delivering,
    ):
        job = delivering.owe()
        assert "RequestTimeTooSkewed" in delivering.until_it_failed(job)
        assert delivering.stack.processes["deliver"].alive
        clock.write_text("+0")
        took_s = delivering.until(job, State.COMPLETED)
        print(f"figure: after the clock was set right: delivered in {took_s:.1f} s")
        assert took_s < RECOVERS_S
        assert delivering.stored(job)


def test_an_upload_tells_how_far_it_is(delivering: Delivering) -> None:
    content = bytes(24 << 20)  # more than the system takes in at once
    delivering.way.become(Fault(bytes_per_s=3 << 20))
    job = delivering.owe(content)
    seen = set()

    def halfway() -> bool:
        upload = delivering.store.views.upload(job.job_id)
        assert upload
        seen.add(upload.sent_bytes)
        return len([sent for sent in seen if 0 < sent < len(content)]) > 1

    delivering.stack.processes["deliver"].wait_until(halfway)
    delivering.way.become(Fault())
    delivering.until(job, State.COMPLETED)


def test_a_large_video_goes_in_parts_and_arrives_whole(delivering: Delivering) -> None:
    content = os.urandom(1 << 20) * 101
    job = delivering.owe(content)
    delivering.until(job, State.COMPLETED)
    head = delivering.s3.client.head_object(Bucket=BUCKET, Key=job.object_key)
    assert head["ContentLength"] == len(content)
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert re.search(r"-\d+", head["ETag"]), "it came in parts"
    body = delivering.s3.client.get_object(Bucket=BUCKET, Key=job.object_key)["Body"]
    assert hashlib.sha256(body.read()).hexdigest() == head["Metadata"]["sha256"]
