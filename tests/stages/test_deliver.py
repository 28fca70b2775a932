"""The delivery stage, tick by tick, against a real S3 server."""

import base64
import hashlib
import random
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import httpx2
import pytest
from ulid import ULID

from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request, Video
from jobstore.moves import State
from jobstore.objects import Objects
from jobstore.settings import StorageSettings, read
from local.running import free_ports
from local.s3 import BUCKET, S3Server
from paying import paid
from runner.deliver.pay import BACKOFF_LAST_S, Pay, backoff_s
from runner.stage import Stage

Ask = Callable[..., Request]
LEASE_MS = 60_000
CONTENT = b"a whole video, as far as the storage can tell"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def stage(made_stage: Callable[..., Stage], s3: S3Server) -> Stage:
    return made_stage("deliver", StorageSettings, **s3.env)


@pytest.fixture
def pay(stage: Stage) -> Pay:
    work = Pay(stage, Objects.of(read(StorageSettings)), random.Random(1))
    work.prepare()
    return work


@pytest.fixture
def bucket(s3: S3Server) -> Any:
    return s3.client


@pytest.fixture
def owed(stage: Stage, ask: Ask) -> Job:
    """A rendered job whose file lies where it should."""
    job_id = str(ULID())
    stage.settings.outputs.mkdir(exist_ok=True)
    (stage.settings.outputs / f"{job_id}.1.mp4").write_bytes(CONTENT)
    stage.store.jobs.accept(Arrival(job_id, ask(), "test", "main"), now_ms())
    job = stage.store.jobs.claim("R", stage.host, LEASE_MS, now_ms())
    assert job
    path = PurePosixPath(f"outputs/{job_id}.1.mp4")
    stage.store.jobs.finish(job, stage.host, Video(path, len(CONTENT), SHA), None, now_ms())
    return job


def found(stage: Stage, job: Job) -> Job:
    now = stage.store.views.find(job.job_id)
    assert now
    return now


def row(stage: Stage, column: str) -> Any:
    with stage.store.database.reading() as connection:
        return connection.execute(f"SELECT {column} FROM outbox").fetchone()[0]


def test_the_file_becomes_the_object_and_the_job_is_completed(
    pay: Pay, stage: Stage, owed: Job, bucket: Any
) -> None:
    assert paid(pay)
    assert found(stage, owed).state is State.COMPLETED
    head = bucket.head_object(Bucket=BUCKET, Key=owed.object_key, ChecksumMode="ENABLED")
    assert head["ContentType"] == "video/mp4"
    assert head["ContentLength"] == len(CONTENT)
    assert head["Metadata"] == {"job-id": owed.job_id, "sha256": SHA}
    assert base64.b64decode(head["ChecksumSHA256"]).hex() == SHA
    assert not paid(pay)


def test_the_link_gives_the_bytes_and_says_what_they_are(pay: Pay, owed: Job) -> None:
    paid(pay)
    assert pay.objects
    link = pay.objects.link(owed.object_key, f"{owed.job_id}.mp4")
    answer = httpx2.get(link.url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert f"{owed.job_id}.mp4" in answer.headers["content-disposition"]
    assert 3_590_000 < link.expires_at - now_ms() <= 3_600_000
    assert "X-Amz-Expires=3600" in link.url
    assert httpx2.get(link.url.replace("video%2Fmp4", "text%2Fhtml")).status_code == 403


def test_an_answer_that_was_lost_makes_no_second_object(
    pay: Pay, stage: Stage, owed: Job, bucket: Any
) -> None:
    """The storage kept the object, the process died before it could say so."""
    delivery = stage.store.outbox.claim("dead", stage.host, LEASE_MS, now_ms())
    assert delivery
    assert delivery.video
    file = stage.settings.data_dir / delivery.video.path
    assert pay.objects
    pay.objects.put_once(delivery.key, file, job_id=owed.job_id, sha256=SHA)
    before = bucket.head_object(Bucket=BUCKET, Key=owed.object_key)["LastModified"]
    stage.store.outbox.rescue(["dead"], now_ms())
    assert paid(pay)
    assert found(stage, owed).state is State.COMPLETED
    after = bucket.head_object(Bucket=BUCKET, Key=owed.object_key)["LastModified"]
    assert before == after


def test_an_earlier_object_of_the_same_job_is_adopted(
    pay: Pay, stage: Stage, owed: Job, bucket: Any
) -> None:
    earlier = b"an earlier render of the same job"
    sha256 = hashlib.sha256(earlier).hexdigest()
    bucket.put_object(
        Bucket=BUCKET,
        Key=owed.object_key,
        Body=earlier,
        Metadata={"job-id": owed.job_id, "sha256": sha256},
    )
    assert paid(pay)
    assert found(stage, owed).state is State.COMPLETED
    assert (row(stage, "sha256"), row(stage, "size_bytes")) == (sha256, len(earlier))


def test_another_jobs_object_is_never_overwritten(
    pay: Pay, stage: Stage, owed: Job, bucket: Any
) -> None:
    bucket.put_object(Bucket=BUCKET, Key=owed.object_key, Body=b"other", Metadata={"job-id": "J9"})
    assert paid(pay)
    assert found(stage, owed).state is State.RENDERED
    assert "Another job's object" in row(stage, "error")
    assert bucket.get_object(Bucket=BUCKET, Key=owed.object_key)["Body"].read() == b"other"


@pytest.mark.parametrize("fault", ["gone", "altered"])
def test_a_file_that_is_not_the_rendered_one_is_never_published(
    pay: Pay, stage: Stage, owed: Job, bucket: Any, fault: str
) -> None:
    file = stage.settings.outputs / f"{owed.job_id}.1.mp4"
    if fault == "gone":
        file.unlink()
    else:
        file.write_bytes(CONTENT.replace(b"whole", b"other"))
    assert paid(pay)
    job = found(stage, owed)
    assert (job.state, job.error_code) == ("failed", "output_lost")
    listing = bucket.list_objects_v2(Bucket=BUCKET, Prefix=owed.object_key)
    assert listing["KeyCount"] == 0


def test_a_row_that_breaks_lets_others_pass(pay: Pay, stage: Stage, owed: Job) -> None:
    """A folder where the file should be: an error that nobody thought of."""
    file = stage.settings.outputs / f"{owed.job_id}.1.mp4"
    file.unlink()
    file.mkdir()
    assert paid(pay)
    assert found(stage, owed).state is State.RENDERED
    assert row(stage, "due_at") > now_ms()
    assert not paid(pay), "it is not due yet"


def test_a_deleted_jobs_object_is_removed_and_looked_at_once_more(
    pay: Pay, stage: Stage, owed: Job, bucket: Any
) -> None:
    paid(pay)
    stage.store.jobs.delete(owed.job_id, now_ms())
    assert paid(pay)
    assert bucket.list_objects_v2(Bucket=BUCKET, Prefix=owed.object_key)["KeyCount"] == 0
    bucket.put_object(Bucket=BUCKET, Key=owed.object_key, Body=b"a late upload")
    assert not paid(pay), "it is looked at a lease later"
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE outbox SET due_at = 0")
    assert paid(pay)
    assert bucket.list_objects_v2(Bucket=BUCKET, Prefix=owed.object_key)["KeyCount"] == 0
    assert not paid(pay)


def test_a_storage_that_is_away_delays_and_loses_nothing(
    made_stage: Callable[..., Stage], stage: Stage, owed: Job, pay: Pay
) -> None:
    (nobody,) = free_ports(1)
    away = made_stage("deliver", StorageSettings, S3_ENDPOINT_URL=f"http://127.0.0.1:{nobody}")
    impatient = Pay(away, Objects.of(read(StorageSettings)), random.Random(1))
    assert paid(impatient)
    assert found(stage, owed).state is State.RENDERED
    assert row(stage, "due_at") > now_ms()
    assert "Could not connect" in row(stage, "error")
    with stage.store.database.writing() as connection:
        connection.execute("UPDATE outbox SET due_at = 0")
    assert paid(pay)
    assert found(stage, owed).state is State.COMPLETED


def test_wrong_credentials_are_said_and_lose_nothing(
    made_stage: Callable[..., Stage], stage: Stage, owed: Job
) -> None:
    wrong = made_stage("deliver", StorageSettings, AWS_SECRET_ACCESS_KEY="wrong")
    work = Pay(wrong, Objects.of(read(StorageSettings)), random.Random(1))
    assert paid(work)
    assert found(stage, owed).state is State.RENDERED
    assert "SignatureDoesNotMatch" in row(stage, "error")


def test_pauses_grow_to_five_minutes_and_are_spread() -> None:
    dice = random.Random(1)
    pauses = [[backoff_s(attempt, dice) for _ in range(200)] for attempt in range(1, 30)]
    assert all(0.5 <= pause <= BACKOFF_LAST_S for tries in pauses for pause in tries)
    assert max(pauses[0]) <= 2
    assert max(pauses[-1]) > BACKOFF_LAST_S * 0.9
    assert min(pauses[-1]) < BACKOFF_LAST_S * 0.1
