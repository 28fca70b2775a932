"""What keeps a dropped file from being taken in keeps nothing else, and passes by itself."""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from dropping import RED, Dropping
from gateway.intake.dropped import Dropped, NotYet
from gateway.intake.inputs import MODE
from gateway.intake.intake import NAMES_MOST
from gateway.problems import Problem
from jobstore.clock import now_ms
from jobstore.job import Arrival
from jobstore.keys import MAIN

PICTURED = '{"prompt": "a red circle", "image_path": "start.png"}'


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropping]:
    with Dropping(tmp_path_factory.mktemp("waits"), POLL_S="0.5") as drops:
        yield drops


def put_picture(path: Path, colour: str) -> None:
    work = path.with_name(f".{path.name}.part")
    Image.new("RGB", (128, 128), colour).save(work, "PNG")
    time.sleep(0.01)  # longer than a tick of the file system's clock
    work.rename(path)


def test_the_folder_is_made_for_a_group(drops: Dropping) -> None:
    assert stat.S_IMODE(drops.inputs.stat().st_mode) == MODE
    assert not drops.events("intake.doubted")


def test_the_same_file_with_another_picture_is_another_job(drops: Dropping) -> None:
    jobs = []
    for colour in ("red", "blue", "blue"):
        put_picture(drops.inputs / "start.png", colour)
        before = len(drops.accepted("pictured.json"))
        drops.drop("pictured.json", PICTURED)
        drops.gone("pictured.json")
        assert not drops.reasons("pictured.json")
        jobs.append(set(drops.accepted("pictured.json")))
        assert len(jobs[-1]) == before + (colour != "blue" or before == 1)
    assert [len(found) for found in jobs] == [1, 2, 2]


def test_what_was_rejected_is_told_of_though_an_older_job_of_its_name_lives(
    drops: Dropping,
) -> None:
    drops.drop("twice.json")
    job = drops.job("twice.json")
    drops.drop("twice.json", '{"prompt": ""}')
    drops.gone("twice.json")
    drops.store.jobs.cancel(job.job_id, now_ms())
    drops.drop("after.json")
    drops.job("after.json")
    drops.stack.processes["gateway"].end()
    drops.stack.up("gateway")
    drops.drop("later.json")
    drops.job("later.json")
    assert drops.status("twice.json")["status"] == "rejected"


def test_a_crowd_that_waits_for_pictures_keeps_nobody_waiting(drops: Dropping) -> None:
    for number in range(NAMES_MOST + 50):
        path = drops.inputs / f"crowd{number}.json"
        path.write_text(PICTURED.replace("start", "never"))
        os.utime(path, (1, 1))
    drops.until(lambda: len(drops.events("intake.waiting")) >= NAMES_MOST)
    drops.drop("alone.json")
    drops.gone("alone.json", within_s=20)
    for number in range(NAMES_MOST + 50):
        (drops.inputs / f"crowd{number}.json").unlink(missing_ok=True)


def test_jobs_are_told_of_while_the_queue_is_full(tmp_path: Path) -> None:
    with Dropping(tmp_path, POLL_S="0.3", QUEUED_MOST="2") as drops:
        drops.drop("first.json")
        drops.drop("second.json")
        job = drops.job("first.json")
        drops.gone("second.json")
        drops.drop("waits.json")
        drops.until(lambda: drops.events("intake.blocked"))
        drops.store.jobs.accept(Arrival("x", job.request, "test", MAIN), now_ms())
        drops.store.jobs.cancel(job.job_id, now_ms())
        drops.until(lambda: drops.status("first.json")["status"] == "cancelled", 10)
        assert (drops.inputs / "waits.json").exists()
        assert not drops.reasons("waits.json"), "a full queue is no reason to reject"
        assert len(drops.events("intake.blocked")) == 1, "it is said once"
        drops.store.jobs.cancel("x", now_ms())
        drops.job("waits.json")
        drops.until(lambda: drops.events("intake.resumed"))


def test_a_file_that_could_not_be_moved_is_moved_once_there_is_room(tmp_path: Path) -> None:
    """On a small disk of its own, as only root can make one."""
    assert os.getuid() == 0, "only root can mount a disk; CI runs as root"
    inputs = tmp_path / "data" / "inputs"
    inputs.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(inputs)]
    subprocess.run(["mount", *options], check=True)
    try:
        with Dropping(tmp_path / "data", POLL_S="0.3") as drops:
            assert len(drops.events("intake.doubted")) == 1, "such a disk is sticky"
            (inputs / ".bad.json.part").write_text('{"prompt": ""}')
            with pytest.raises(OSError, match="28"):
                (inputs / "ballast").write_bytes(bytes(1 << 20))
            (inputs / ".bad.json.part").rename(inputs / "bad.json")
            drops.until(lambda: drops.events("intake.unmoved"))
            (inputs / "ballast").unlink()
            drops.gone("bad.json", within_s=20)
            (reason,) = drops.reasons("bad.json")
            assert reason["code"] == "field_wrong"
            assert len(drops.events("intake.unmoved")) == 1, "it is said once"
    finally:
        subprocess.run(["umount", "-l", str(inputs)], check=True)


def test_a_pipe_that_takes_the_place_of_a_file_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(RED)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        seen = Dropped.look(folder, "a.json")
        path.unlink()
        os.mkfifo(path)
        writer = os.open(path, os.O_RDWR)  # with somebody at its other end, a read says nothing
        with pytest.raises(NotYet):
            seen.read(folder, 1000, Problem.of("body_too_large", "too large"))
        os.close(writer)
    finally:
        os.close(folder)
