"""How long things are kept, on a real DATA_DIR and store; time is a parameter."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ageing import DAY_MS, HOUR_MS, make, names
from jobstore.clock import now_ms
from jobstore.job import Arrival, Job, Request
from jobstore.objects import Objects
from jobstore.settings import read
from jobstore.staged import in_use
from local.s3 import BUCKET, S3Server
from paying import owe, paid
from runner.deliver.leftovers import leftovers, pictures
from runner.deliver.pay import Pay
from runner.deliver.retention import Retention
from runner.deliver.settings import DeliverSettings
from runner.stage import Stage

Ask = Callable[..., Request]
NOW = now_ms()


@pytest.fixture
def stage(made_stage: Callable[..., Stage], s3: S3Server) -> Stage:
    return made_stage("deliver", DeliverSettings, **s3.env)


@pytest.fixture
def pay(stage: Stage) -> Pay:
    work = Pay(stage, Objects.of(read(DeliverSettings)), random.Random(1))
    work.prepare()
    return work


@pytest.fixture
def data(stage: Stage) -> Path:
    return stage.settings.data_dir


@pytest.fixture
def run(stage: Stage) -> Callable[..., list[tuple[str, str]]]:
    """Run once at a moment; first dry, which changes nothing and tells the same."""

    def once(now: int = NOW, most: int = 100, **env: float) -> list[tuple[str, str]]:
        given = read(DeliverSettings).model_copy(update=env)
        retention = Retention(given, stage.store)
        before = (names(given.data_dir), rows(stage))
        told = list(retention.run(now, most, dry=True))
        assert (names(given.data_dir), rows(stage)) == before
        assert list(retention.run(now, most)) == told
        return [(gone.what, Path(gone.name).name) for gone in told]

    return once


def rows(stage: Stage) -> list[Any]:
    with stage.store.database.reading() as connection:
        jobs = connection.execute("SELECT * FROM jobs").fetchall()
        return [tuple(row) for row in [*jobs, *connection.execute("SELECT * FROM outbox")]]


def objects(s3: S3Server, job: Job) -> list[str]:
    listing = s3.client.list_objects_v2(Bucket=BUCKET, Prefix=job.object_key.removesuffix(".mp4"))
    return [entry["Key"].rpartition(".")[2] for entry in listing.get("Contents", [])]


def delivered(pay: Pay, ask: Ask) -> Job:
    job = owe(pay.stage.store, pay.stage.settings, pay.stage.host, ask(), b"a video")
    assert paid(pay)
    return job


def test_an_expired_video_is_removed_with_all_that_lies_beside_it(
    pay: Pay, ask: Ask, run: Callable[..., Any], s3: S3Server, data: Path
) -> None:
    job = delivered(pay, ask)
    assert sorted(objects(s3, job)) == ["jpg", "json", "mp4"]
    assert run(now_ms() + 29 * DAY_MS, keep_outputs_s=10**8) == []
    assert run(now_ms() + 30 * DAY_MS, keep_outputs_s=10**8) == [("video", job.job_id)]
    assert paid(pay)
    assert objects(s3, job) == []
    assert list((data / "outputs").iterdir()) == []


def test_the_copy_of_a_delivered_video_goes_a_day_after_its_delivery(
    pay: Pay, ask: Ask, run: Callable[..., Any], s3: S3Server, data: Path
) -> None:
    job = delivered(pay, ask)
    assert run(now_ms() + DAY_MS - HOUR_MS) == []
    assert len(run(now_ms() + DAY_MS)) == 3
    assert list((data / "outputs").iterdir()) == []
    assert len(objects(s3, job)) == 3


def test_a_video_that_is_owed_or_kept_stays_however_old_it_is(
    pay: Pay, ask: Ask, run: Callable[..., Any], data: Path
) -> None:
    far = NOW + 10_000 * DAY_MS
    owe(pay.stage.store, pay.stage.settings, pay.stage.host, ask(), b"a video")
    assert run(far) == []
    no_bucket = Pay(pay.stage, None, random.Random(1))
    assert paid(no_bucket)
    assert run(far, keep_videos_s=float("inf")) == []
    assert len(list((data / "outputs").iterdir())) == 3


def test_a_file_that_never_became_a_video_goes_after_a_day(
    stage: Stage, ask: Ask, run: Callable[..., Any], data: Path
) -> None:
    stage.store.jobs.accept(Arrival("LIVES", ask(), "test", "main"), NOW)
    stage.store.jobs.accept(Arrival("ENDED", ask(), "test", "main"), NOW)
    stage.store.jobs.cancel("ENDED", NOW)
    for name in ("LIVES", "ENDED", "NOBODY"):
        make(data / "outputs" / f"{name}.1.mp4", NOW, DAY_MS)
        make(data / "work" / f"{name}.1.ckpt", NOW, DAY_MS)
        make(data / "work" / f".{name}.2.ckpt.part", NOW, DAY_MS)
        make(data / "work" / f"{name}.2.ckpt", NOW, DAY_MS - HOUR_MS)
    went = {(what, name) for what, name in run()}
    assert went == {
        (what, f"{job_id}{rest}")
        for job_id in ("ENDED", "NOBODY")
        for what, rest in (("output", ".1.mp4"), ("work", ".1.ckpt"))
    } | {("work", f".{job_id}.2.ckpt.part") for job_id in ("ENDED", "NOBODY")}
    assert (data / "work" / "machine").is_file(), "what is no claim's stays"


def test_a_picture_goes_a_week_after_the_last_job_that_shares_it(
    stage: Stage, ask: Ask, run: Callable[..., Any], data: Path
) -> None:
    jobs = stage.store.jobs
    picture = make(data / "inputs" / "images" / "ONE.png", NOW, 100 * DAY_MS)
    jobs.accept(Arrival("ONE", ask(image="ONE.png"), "test", "main"), NOW - 100 * DAY_MS)
    assert run() == []
    jobs.cancel("ONE", NOW - 85 * DAY_MS)
    jobs.repeat("ONE", "AGAIN", NOW - 80 * DAY_MS)
    assert run() == [], "a retry of it lives"
    jobs.cancel("AGAIN", NOW - 7 * DAY_MS + 1)
    assert run() == []
    assert run(NOW + 1) == [("picture", "ONE.png")]
    assert not picture.exists()


def test_a_stray_picture_goes_after_a_day(run: Callable[..., Any], data: Path) -> None:
    make(data / "inputs" / "images" / "YOUNG.png", NOW, DAY_MS - HOUR_MS)
    make(data / "inputs" / "images" / "OLD.png", NOW, DAY_MS)
    make(data / "inputs" / "images" / ".OLD.png.part", NOW, DAY_MS)
    assert run() == [("picture", ".OLD.png.part"), ("picture", "OLD.png")]


def test_a_picture_stays_while_somebody_makes_a_job_of_it(stage: Stage, data: Path) -> None:
    picture = make(data / "inputs" / "images" / "OLD.png", NOW, 10 * DAY_MS)
    retention = Retention(read(DeliverSettings), stage.store)
    with in_use(data / "work"):
        assert list(retention.run(NOW, 100)) == []
    assert picture.exists()
    assert len(list(retention.run(NOW, 100))) == 1


def test_a_picture_is_looked_at_once_more_before_it_goes(
    stage: Stage, ask: Ask, data: Path
) -> None:
    """Between the look and the removal, a job is retried: it keeps its picture."""
    jobs = stage.store.jobs
    for name in ("ONE", "TWO"):
        make(data / "inputs" / "images" / f"{name}.png", NOW, 100 * DAY_MS)
        jobs.accept(Arrival(name, ask(image=f"{name}.png"), "test", "main"), NOW - 99 * DAY_MS)
        jobs.cancel(name, NOW - 98 * DAY_MS)
    (one, two) = list(pictures(read(DeliverSettings), stage.store, NOW))
    jobs.repeat("ONE", "AGAIN", NOW)
    assert not one.remove()
    assert two.remove()
    assert names(data / "inputs") == ["images/ONE.png"]


def test_embeddings_go_by_their_last_use_and_inputs_by_their_age(
    run: Callable[..., Any], data: Path
) -> None:
    for age in (29, 30):
        make(data / "work" / "embeddings" / f"{age}.safetensors", NOW, age * DAY_MS)
        for folder in ("accepted", "rejected", "status"):
            make(data / "inputs" / folder / f"{age}.json", NOW, age * DAY_MS)
    make(data / "inputs" / "waits.json", NOW, 100 * DAY_MS)
    make(data / "inputs" / "accepted" / "deeper" / "file", NOW, 100 * DAY_MS)
    (data / "inputs" / "status" / "link").symlink_to(data / "work" / "machine")
    assert run() == [("embedding", "30.safetensors"), *[("input", "30.json")] * 3]


def test_jobs_are_forgotten_in_the_end(pay: Pay, ask: Ask, run: Callable[..., Any]) -> None:
    stage = pay.stage
    kept, gone, buried = (delivered(pay, ask) for _ in range(3))
    stage.store.jobs.delete(buried.job_id, NOW)
    stage.store.retention.expire(gone.job_id, NOW)
    far = NOW + 91 * DAY_MS
    ages = {"keep_outputs_s": 10**8, "keep_videos_s": float("inf")}
    assert run(far, **ages) == [], "removals are owed"
    for _ in range(4):
        paid(pay)
        with stage.store.database.writing() as connection:
            connection.execute("UPDATE outbox SET due_at = 0")
    assert run(NOW + DAY_MS, **ages) == []
    assert run(NOW + DAY_MS + 1, **ages) == [("job", buried.job_id)]
    assert run(far, **ages) == [("job", gone.job_id)]
    assert stage.store.views.find(kept.job_id)


def test_inf_is_for_ever(pay: Pay, ask: Ask, run: Callable[..., Any], data: Path) -> None:
    delivered(pay, ask)
    make(data / "inputs" / "images" / "OLD.png", NOW, 1000 * DAY_MS)
    ages = [name for name in DeliverSettings.model_fields if name.startswith("keep_")]
    assert len(ages) == 8
    assert run(NOW + 10_000 * DAY_MS, **dict.fromkeys(ages, float("inf"))) == []


def test_a_tick_is_bounded_and_ends_when_the_stage_does(stage: Stage, data: Path) -> None:
    for number in range(5):
        make(data / "inputs" / "images" / f"{number}.png", NOW, 10 * DAY_MS)
    retention = Retention(read(DeliverSettings), stage.store)
    assert len(list(retention.run(NOW, 2))) == 2
    stopping = threading.Event()
    stopping.set()
    retention.tick(stopping)
    assert len(names(data / "inputs")) == 2
    stopping.clear()
    retention.tick(stopping)
    assert names(data / "inputs") == []


def test_one_file_that_cannot_be_removed_holds_up_no_other(stage: Stage, data: Path) -> None:
    """A folder has come where it was, between the look and the removal."""
    one = make(data / "work" / "embeddings" / "a.safetensors", NOW, 100 * DAY_MS)
    make(data / "work" / "embeddings" / "b.safetensors", NOW, 100 * DAY_MS)
    found = leftovers(read(DeliverSettings), stage.store, NOW)
    left = next(found)
    one.unlink()
    one.mkdir()
    with pytest.raises(OSError, match="directory"):
        left.remove()
    run = Retention(read(DeliverSettings), stage.store).run(NOW, 100)
    assert [gone.name for gone in run] == ["work/embeddings/b.safetensors"]
