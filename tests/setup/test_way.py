"""What goes wrong between the hub and this disk costs as little as it can, and is said plainly."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from hub_server import Hub
from setting_up import (
    CHUNK,
    COMMAND,
    CONVERTED,
    SHARD,
    VAE,
    Done,
    Run,
    contents,
    environment,
    run_with,
)

MB = 1_000_000


@pytest.mark.parametrize("rudely", [False, True])
def test_a_cut_is_resumed_where_it_was(hub: Hub, run: Run, tmp_path: Path, *, rudely: bool) -> None:
    hub.cuts[SHARD] = (20 * MB, rudely)
    done = run(tmp_path / "checkpoint")
    assert done.returncode == 0, done.stderr
    assert hub.sent[SHARD] <= hub.size(SHARD) + 20 * MB - CHUNK
    assert sum(SHARD in path for path in hub.asked) == 4  # twice, each with its way to the store


@pytest.mark.long
def test_a_kill_is_resumed_where_it_was(hub: Hub, run: Run, brought: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    with subprocess.Popen([*COMMAND, str(folder)], env=environment(hub.url)) as process:

        def kill(path: str, sent: int) -> None:
            if path == SHARD and sent > 20 * MB:
                process.kill()

        hub.meanwhile = kill
        assert process.wait(timeout=100) == -signal.SIGKILL
    hub.meanwhile = lambda _path, _sent: None
    (part,) = folder.glob(f".fetching/{hub.files[SHARD].sha256}")
    came = part.stat().st_size
    assert CHUNK <= came < hub.size(SHARD)
    hub.sent.clear()
    assert run(folder).returncode == 0
    assert hub.sent[SHARD] == hub.size(SHARD) - came
    assert contents(folder) == contents(brought)


@pytest.mark.parametrize("path", [VAE, "vae/config.json"])
def test_a_file_altered_on_the_way_is_fetched_again(
    path: str, hub: Hub, run: Run, brought: Path, tmp_path: Path
) -> None:
    """Known by the SHA-256 of a large one, and by the name that git gives a small one."""
    hub.flips[path] = 1
    done = run(tmp_path / "checkpoint")
    assert f"{path} arrived altered" in done.stderr
    assert hub.sent[path] == 2 * hub.size(path)
    assert contents(tmp_path / "checkpoint") == contents(brought)


def test_a_file_that_always_comes_altered_is_refused(hub: Hub, run: Run, tmp_path: Path) -> None:
    hub.flips[VAE] = 9
    done = run(tmp_path / "checkpoint")
    assert done.returncode == 1
    assert f"{VAE} arrived altered 2 times" in done.stderr
    assert "run again" in done.stderr
    assert not {VAE, CONVERTED, "manifest.json", "wan22.json"} & set(
        contents(tmp_path / "checkpoint")
    )


@pytest.mark.long
def test_a_bad_beginning_is_not_built_on(hub: Hub, run: Run, tmp_path: Path) -> None:
    """As a power cut leaves it: of the right length, or longer, and full of zeros."""
    folder = tmp_path / "checkpoint"
    (folder / ".fetching").mkdir(parents=True)
    (folder / ".fetching" / hub.files[VAE].sha256).write_bytes(bytes(hub.size(VAE) + 1))
    (folder / ".fetching" / hub.files[SHARD].sha256).write_bytes(bytes(hub.size(SHARD) // 2))
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert hub.sent[VAE] == hub.size(VAE)
    assert f"{SHARD} arrived altered" in done.stderr


@pytest.mark.long
def test_a_hub_that_is_away_is_named(tmp_path: Path) -> None:
    done = run_with("http://127.0.0.1:9", tmp_path / "checkpoint")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "http://127.0.0.1:9 does not give the weights" in last
    assert "run again" in last
    assert "Traceback" not in done.stderr


def test_a_hub_without_this_revision_is_named(hub: Hub, run: Run, tmp_path: Path) -> None:
    done = run(tmp_path / "checkpoint", HF_ENDPOINT=f"{hub.url}/elsewhere")
    assert done.returncode == 1
    assert f"{hub.url}/elsewhere has no revision" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_checkpoint_under_this_name_is_refused(hub: Hub, run: Run, tmp_path: Path) -> None:
    del hub.files["vae/config.json"], hub.files[VAE]
    done = run(tmp_path / "checkpoint")
    assert (done.returncode, "has no vae" in done.stderr, len(hub.asked)) == (1, True, 1)


SMALL = """
mount -t tmpfs -o size="$2" small "$1" || exit 3
"$0" -P -m runner.render.weights "$1/checkpoint"
echo "first: $?" >&2
rm -f "$1/ballast"
exec "$0" -P -m runner.render.weights "$1/checkpoint"
"""


def run_on_a_small_disk(hub: Hub, folder: Path, disk: str, ballast: int = 0) -> Done:
    """Run it twice on a disk of its own; something else takes room there while the first runs."""
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL, COMMAND[0]]
    with subprocess.Popen(
        [*own, str(folder), disk], env=environment(hub.url), stderr=subprocess.PIPE, text=True
    ) as process:

        def take_room(_path: str, _sent: int) -> None:
            hub.meanwhile = lambda _path, _sent: None
            inside = Path(f"/proc/{process.pid}/root{folder}") / "ballast"
            with inside.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, ballast)

        if ballast:
            hub.meanwhile = take_room
        _, said = process.communicate(timeout=200)
    return Done([], process.returncode, "", said)


def test_too_little_room_is_refused_with_the_figures(hub: Hub, tmp_path: Path) -> None:
    done = run_on_a_small_disk(hub, tmp_path, "60m")
    assert done.returncode == 1
    assert "57.9 MB to download, 26.8 MB for the conversion; 62.9 MB free" in done.stderr
    assert re.search(r"make room for 21\.\d MB", done.stderr)
    assert not hub.sent


@pytest.mark.long
@pytest.mark.parametrize(("step", "ballast"), [("download", 80 * MB), ("conversion", 25 * MB)])
def test_a_disk_that_fills_meanwhile_loses_nothing(
    step: str, ballast: int, hub: Hub, tmp_path: Path
) -> None:
    done = run_on_a_small_disk(hub, tmp_path, "100m", ballast)
    assert "first: 1" in done.stderr, done.stderr
    first, _, second = done.stderr.partition("first: 1")
    assert "the disk is full: make room, then run bin/setup --weights again" in first
    assert ("setup: conversion" in first) == (step == "conversion")
    assert done.returncode == 0, second
    fetched_again = sum(hub.sent.values()) - sum(map(hub.size, hub.sent))
    assert fetched_again < 3 * CHUNK  # what two threads had not written yet
