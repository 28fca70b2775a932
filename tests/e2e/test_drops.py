"""Dropped files become jobs, each once, whatever happens; what is none is told why."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from bad_drops import BAD_DROPS
from dropping import RED, Dropping

SPLITS = 1000
IGNORED = (".hidden.json", "a.json.part", "a.tmp", "a.json~", ".a.json.swp", "a.json.gz", "a.txt")


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropping]:
    """A gateway whose folder is full of what is no job; part of it has to rest for long."""
    with Dropping(tmp_path_factory.mktemp("drops")) as drops:
        (drops.inputs / "kept.png").write_bytes(picture_bytes(drops.stack.folder))
        (drops.inputs / "images").mkdir(exist_ok=True)
        for row, bad in BAD_DROPS.items():
            bad.make(drops.inputs / bad_name(row))
        yield drops


def bad_name(row: str) -> str:
    """Name the file of a row."""
    return BAD_DROPS[row].name or f"bad{list(BAD_DROPS).index(row)}.json"


def test_what_is_moved_in_is_taken_at_once(drops: Dropping) -> None:
    began = time.monotonic()
    drops.drop("moved.json")
    drops.gone("moved.json")
    took_s = time.monotonic() - began
    print(f"figure: a job file that was moved in was taken after {took_s * 1000:.0f} ms")
    job = drops.job("moved.json")
    assert (job.state, job.key_id) == ("queued", "main")
    assert drops.status("moved.json")["job_id"] == job.job_id


def picture_bytes(folder: Path) -> bytes:
    Image.linear_gradient("L").convert("RGB").save(folder / "some.png")
    return (folder / "some.png").read_bytes()


def test_what_is_not_meant_for_us_is_left_alone(drops: Dropping) -> None:
    for name in IGNORED:
        (drops.inputs / name).write_text(RED)
    drops.drop("after.json")
    drops.job("after.json")
    assert all((drops.inputs / name).exists() for name in IGNORED)


def test_the_same_file_again_is_the_same_job(drops: Dropping) -> None:
    drops.drop("again.json")
    first = drops.job("again.json")
    drops.drop("again.json")
    drops.gone("again.json")
    assert drops.accepted("again.json") == [first.job_id]
    drops.drop("again.json", '{"prompt": "another"}')
    drops.gone("again.json")
    assert len(drops.accepted("again.json")) == 2
    drops.drop("under_another_name.json")
    assert drops.job("under_another_name.json").job_id != first.job_id


def test_a_key_in_the_file_is_that_of_the_request(drops: Dropping) -> None:
    keyed = '{"prompt": "a red circle", "idempotency_key": "mine", "metadata": {"n": "%d"}}'
    for name in ("key1.json", "key2.json"):
        drops.drop(name, keyed % 1)
    assert drops.job("key1.json").job_id == drops.job("key2.json").job_id
    drops.drop("key3.json", keyed % 2)
    drops.gone("key3.json")
    assert [reason["code"] for reason in drops.reasons("key3.json")] == ["idempotency_key_reused"]


def test_a_picture_beside_it_begins_the_video(drops: Dropping) -> None:
    (drops.inputs / "start.png").write_bytes(picture_bytes(drops.stack.folder))
    drops.drop("pictured.json", '{"prompt": "a red circle", "image_path": "start.png"}')
    assert drops.job("pictured.json").request.image
    assert (drops.inputs / "start.png").exists(), "another job file may name it too"


def test_a_picture_that_is_none_is_told_by_its_field(drops: Dropping) -> None:
    picture = drops.inputs / "text.png"
    picture.write_text("no picture")
    os.utime(picture, (1, 1))
    with drops.stack.folder.joinpath("unused").open("w"):
        pass
    (drops.inputs / "linked.png").symlink_to("/etc/passwd")
    drops.drop("linked.json", '{"prompt": "a red circle", "image_path": "linked.png"}')
    drops.gone("linked.json")
    (reason,) = drops.reasons("linked.json")
    assert reason["errors"][0]["field"] == "image_path"
    assert "root" not in str(reason)


def write_in_place(path: Path, content: bytes, dice: random.Random) -> None:
    """Write a file in two or three pieces, with pauses about as long as a file has to rest."""
    cuts = sorted(dice.sample(range(1, len(content)), dice.choice([1, 2])))
    with path.open("wb", buffering=0) as file:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            file.write(content[start:end])
            time.sleep(dice.choice([0, 0.02, 0.9, 1.1, 1.6]))


def test_a_thousand_slow_writers_lose_nothing(drops: Dropping) -> None:
    """No job of half a file, none lost, none twice."""
    dice = random.Random(9)
    before = drops.jobs()
    names = [f"split{number}.json" for number in range(SPLITS)]
    with ThreadPoolExecutor(250) as writers:
        for number, name in enumerate(names):
            content = f'{{"prompt": "split {number}", "seed": {number}}}\n'.encode()
            seed = random.Random(dice.random())
            writers.submit(write_in_place, drops.inputs / name, content, seed)
    drops.gone(*names)
    assert drops.jobs() == before + SPLITS
    for number, name in enumerate(names):
        job = drops.job(name)
        assert (job.request.prompt, job.request.seed) == (f"split {number}", number)
    assert not [name for name in names if drops.reasons(name)]


@pytest.mark.parametrize("many", [1500, pytest.param(20_000, marks=pytest.mark.long)])
def test_what_was_dropped_while_nobody_watched_is_taken(tmp_path: Path, many: int) -> None:
    with Dropping(tmp_path) as drops:
        process = drops.stack.processes["gateway"]
        process.tell(signal.SIGSTOP)
        for number in range(many):
            (drops.inputs / f"flood{number}.json").write_text(RED)
        process.tell(signal.SIGCONT)
        began = time.monotonic()
        drops.until(lambda: drops.jobs() == many, 900)
        print(f"figure: {many} dropped files taken in {time.monotonic() - began:.0f} s")
        drops.until(lambda: len(list((drops.inputs / "accepted").iterdir())) == many, 30)
        assert drops.stack.health()["status"]


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_folder_that_goes_and_comes_is_told_once_and_found_again(tmp_path: Path) -> None:
    with Dropping(tmp_path / "data", POLL_S="0.3") as drops:
        inputs, pid = drops.inputs, drops.stack.processes["gateway"].pid
        shutil.rmtree(inputs)
        drops.until((inputs / "status").is_dir)
        drops.drop("made_anew.json")
        drops.job("made_anew.json")

        inputs.rename(tmp_path / "elsewhere")
        inputs.symlink_to(tmp_path / "elsewhere")
        drops.until(lambda: len(drops.events("intake.blocked")) == 1)
        (tmp_path / "elsewhere" / "behind_a_link.json").write_text(RED)
        spent = cpu_s(pid)
        time.sleep(3)
        assert cpu_s(pid) - spent < 1, "it does not look without pause"
        assert len(drops.events("intake.blocked")) == 1, "it is said once"
        assert (tmp_path / "elsewhere" / "behind_a_link.json").exists()

        inputs.unlink()
        (tmp_path / "elsewhere").rename(inputs)
        drops.job("behind_a_link.json")
        drops.until(lambda: len(drops.events("intake.resumed")) == 1)

        (inputs / "accepted").rename(tmp_path / "accepted")
        (inputs / "accepted").write_text("a file")
        drops.until(lambda: len(drops.events("intake.blocked")) == 2)
        (inputs / "accepted").unlink()
        (tmp_path / "accepted").rename(inputs / "accepted")
        drops.drop("in_the_end.json")
        drops.job("in_the_end.json")


def mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)


def fill(ballast: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_a_disk_that_takes_nothing_is_told_once_and_waits(tmp_path: Path, trouble: str) -> None:
    """On a small disk of its own, as only root can make one."""
    assert os.getuid() == 0, "only root can mount a disk; CI runs as root"
    inputs = tmp_path / "data" / "inputs"
    inputs.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(inputs))
    try:
        with Dropping(tmp_path / "data", POLL_S="0.3") as drops:
            if trouble == "read-only":
                drops.drop("before.json")
                drops.job("before.json")
                (inputs / ".waits.part").write_text(RED)
                (inputs / ".waits.part").rename(inputs / "waits.json")
                mount("-o", "remount,ro", str(inputs))
                drops.until(lambda: drops.events("intake.blocked"))
                time.sleep(1)
                mount("-o", "remount,rw", str(inputs))
            else:
                (inputs / "waits.json").write_text('{"prompt": ""}')
                fill(inputs / "ballast")
                drops.until(lambda: drops.events("intake.unmoved"))
                time.sleep(1)
                assert len(drops.events("intake.unmoved")) == 1, "it is not tried without end"
                (inputs / "ballast").unlink()
                (inputs / "waits.json").touch()
            drops.gone("waits.json")
            assert len(drops.events("intake.blocked")) <= 1
    finally:
        subprocess.run(["umount", "-l", str(inputs)], check=True)


def test_every_bad_file_is_rejected_once_with_its_reason(drops: Dropping) -> None:
    """All lay there at once, before anything else: none of them kept another waiting."""
    drops.until(lambda: not any(os.path.lexists(drops.inputs / bad_name(r)) for r in BAD_DROPS))
    for row, bad in BAD_DROPS.items():
        (reason,) = drops.reasons(bad_name(row)[:180])
        assert (row, reason["code"]) == (row, bad.code)
        assert reason["detail"].endswith("."), "it is a sentence"
    told = [line["file"] for line in drops.events("intake.rejected")]
    assert all(told.count(bad_name(row)) == 1 for row in BAD_DROPS), "each is told once"
    assert not drops.events("intake.stuck")
    taken = {file.name.partition("__")[2] for file in (drops.inputs / "accepted").iterdir()}
    assert not taken & {bad_name(row) for row in BAD_DROPS}
