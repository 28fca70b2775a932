"""A job that is deleted while a process that was given up still uploads its video."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from threading import Thread

import pytest

from faulty_way import Fault, FaultyWay
from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request, Video
from jobstore.moves import State
from jobstore.objects import Objects
from jobstore.settings import StorageSettings, read
from local.s3 import S3Server
from paying import paid
from runner.deliver.pay import Pay
from runner.stage import Stage

CONTENT = bytes(8 << 20)  # more than a way takes in that is held
LEASE_MS = 60_000


@pytest.fixture
def held_way(s3: S3Server) -> Iterator[FaultyWay]:
    with FaultyWay(s3.port, Fault(stops_after=1 << 20)) as way:
        yield way


@pytest.fixture
def owed(made_stage: Callable[..., Stage], s3: S3Server, ask: Callable[..., Request]) -> Job:
    """A rendered job."""
    stage = made_stage("render", StorageSettings, **s3.env)
    stage.settings.outputs.mkdir(exist_ok=True)
    stage.store.jobs.accept(Arrival("LATE", ask(), "test", "main"), now_ms())
    job = stage.store.jobs.claim("R", stage.host, LEASE_MS, now_ms())
    assert job
    path = PurePosixPath("outputs/LATE.1.mp4")
    (stage.settings.data_dir / path).write_bytes(CONTENT)
    video = Video(path, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    stage.store.jobs.finish(job, stage.host, video, None, now_ms())
    return job


def paying(stage: Stage) -> Pay:
    return Pay(stage, Objects.of(read(StorageSettings)), random.Random(1))


def test_an_upload_that_arrives_after_the_delete_leaves_no_object(
    made_stage: Callable[..., Stage], s3: S3Server, held_way: FaultyWay, owed: Job
) -> None:
    """The first process hangs in the upload and is given up; the second delivers and removes."""
    first = made_stage("deliver", StorageSettings, **{**s3.env, "S3_ENDPOINT_URL": held_way.url})
    hanging = Thread(target=paid, args=(paying(first),))
    hanging.start()
    assert held_way.met.wait(60)
    second = made_stage("deliver", StorageSettings, **s3.env)
    pay, store = paying(second), second.store
    assert store.jobs.delete(owed.job_id, now_ms()) is None, "it has not ended yet"
    store.outbox.rescue([first.owner.owner_id], now_ms())
    paid(pay)
    job = store.views.find(owed.job_id)
    assert job
    assert job.state is State.COMPLETED
    assert store.jobs.delete(owed.job_id, now_ms())
    assert paid(pay)
    assert s3.objects_of(owed.job_id) == []
    held_way.go_on()
    hanging.join(60)
    assert len(s3.objects_of(owed.job_id)) == 1, "the upload has arrived all the same"
    with store.database.writing() as connection:
        connection.execute("UPDATE outbox SET due_at = 0")  # a lease later
    assert paid(pay)
    assert s3.objects_of(owed.job_id) == []
    assert not paid(pay)
