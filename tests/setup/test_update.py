"""A machine changes to another release and loses nothing; one that does not work goes again."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pysqlite3 as driver
import pytest

import set_up
from gateway.client import Client
from local.running import free_ports
from set_up import CHECKOUT, Done, run

PROMPT = "a red circle moves right"
OLD = "checkout"
BROKEN = """#!/bin/sh
{before}
echo "this release does not start" >&2
exit 1
"""
MIGRATES = """
cd {checkout} && .venv/bin/python -c '
import pysqlite3 as driver
with driver.connect("{store}") as store:
    store.execute("INSERT INTO migrations VALUES (9999, 1, 1)")
'
"""
ACCEPTS = """
{checkout}/bin/start
curl -sf http://127.0.0.1:{port}/generate -H "X-API-Key: {key}" \\
    -H "Content-Type: application/json" \\
    -d '{{"prompt": "a blue square moves left"}}' >&2
"""


class Machine:
    """A root with a service of the embedded model, on loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        root.mkdir()
        set_up.with_our_release(root)
        run("setup", root, "--no-weights", "--loopback")
        (self.port,) = free_ports(1)
        with (self.data / ".env").open("a") as file:
            file.write(f"PORT={self.port}\nMODEL_DIR=pocket\n")
        self.key = set_up.settings(root)["API_SECRET_KEY"]
        self.client = Client(f"http://127.0.0.1:{self.port}", self.key)
        self.new = self._new_id()

    @property
    def releases(self) -> Path:
        return self.root / "opt" / "wan22" / "releases"

    @property
    def current(self) -> str:
        return (self.root / "opt" / "wan22" / "current").readlink().name

    def does(self, command: str, *words: str) -> Done:
        """Run a command of the release that is installed."""
        return subprocess.run(
            [str(self.root / "opt/wan22/current/bin" / command), *words],
            env=os.environ | {"DATA_DIR": str(self.data)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def release(self, start: str = "") -> None:
        """Have the new release built already: this checkout, with another bin/start if given."""
        place = self.releases / self.new
        if start:
            programs = place / "bin"
            programs.mkdir(parents=True)
            for name in ("stop", "wan22"):
                self._program(programs / name, f'#!/bin/sh\nexec {CHECKOUT}/bin/{name} "$@"\n')
            self._program(programs / "start", start)
            for name in ("local", "systemd"):
                (programs / name).symlink_to(CHECKOUT / "bin" / name)
            (place / ".venv").symlink_to(CHECKOUT / ".venv")
        else:
            place.symlink_to(CHECKOUT)
        (self.releases / f"{self.new}.whole").touch()

    def count(self, table: str) -> int:
        with contextlib.closing(driver.connect(str(self.data / "jobs.db"))) as store:
            return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    @staticmethod
    def _program(file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)

    @staticmethod
    def _new_id() -> str:
        script = f"HERE={CHECKOUT}; . $HERE/bin/steps/release.sh; release_id"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Machine]:
    """One whose service does not run."""
    machine = Machine(tmp_path / "root")
    with machine.client:
        yield machine


@pytest.fixture
def machine(resting: Machine) -> Iterator[Machine]:
    assert resting.does("start").returncode == 0
    yield resting
    resting.does("stop")


def test_a_service_that_does_not_run_is_changed_and_not_started(resting: Machine) -> None:
    resting.release(BROKEN.format(before=""))
    for name in ("long-ago", "long-ago.whole"):
        (resting.releases / name).mkdir()
    (resting.root / "etc/systemd/system/wan22-gone.service").touch()
    done = run("update", resting.root)
    assert done.returncode == 0, done.stderr
    assert "was not tried: the service did not run" in done.stderr
    assert resting.current == resting.new
    kept = {resting.new, OLD}
    assert {path.name for path in resting.releases.iterdir()} == {
        *kept,
        *(f"{name}.whole" for name in kept),
    }
    assert not (resting.root / "etc/systemd/system/wan22-gone.service").exists()
    again = run("update", resting.root)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


@pytest.mark.long
def test_it_changes_to_a_new_release_and_keeps_every_job(machine: Machine) -> None:
    machine.release()
    job = machine.client.submit(PROMPT, num_frames=5, steps=2)
    done = run("update", machine.root)
    assert done.returncode == 0, done.stderr
    assert machine.current == machine.new
    assert machine.client.status(job["job_id"])["status"] == "completed"
    assert len(list((machine.data / "backups").glob(f"*-{OLD}.db"))) == 1


@pytest.mark.long
def test_one_that_does_not_start_goes_again(machine: Machine) -> None:
    job = machine.client.submit(PROMPT, num_frames=5, steps=2)
    machine.release(BROKEN.format(before=""))
    done = run("update", machine.root, "--now")
    assert done.returncode == 1
    assert f"{OLD} is back, and runs; no job is lost." in done.stderr
    assert machine.current == OLD
    *_, last = machine.client.follow(job["job_id"], every_s=0.1)
    assert last["status"] == "completed"


@pytest.mark.long
def test_with_a_changed_schema_the_copy_of_before_comes_back(machine: Machine) -> None:
    job = machine.client.submit(PROMPT, num_frames=5, steps=2)
    before = machine.count("migrations")
    migrates = MIGRATES.format(checkout=CHECKOUT, store=machine.data / "jobs.db")
    machine.release(BROKEN.format(before=migrates))
    done = run("update", machine.root, "--now")
    assert f"{OLD} is back, and runs; no job is lost." in done.stderr, done.stderr
    assert machine.count("migrations") == before
    *_, last = machine.client.follow(job["job_id"], every_s=0.1)
    assert last["status"] == "completed"


@pytest.mark.long
def test_jobs_that_the_new_release_accepted_are_worth_more_than_going_back(
    machine: Machine,
) -> None:
    accepts = ACCEPTS.format(checkout=CHECKOUT, port=machine.port, key=machine.key)
    migrates = MIGRATES.format(checkout=CHECKOUT, store=machine.data / "jobs.db")
    machine.release(BROKEN.format(before=accepts + migrates))
    done = run("update", machine.root, "--now")
    assert done.returncode == 1
    assert "going back would lose them" in done.stderr
    assert machine.current == machine.new
    assert machine.count("jobs") == 1
    copies = list((machine.data / "backups").glob("*.db"))
    assert f"The store of before is {copies[0]}." in done.stderr


def test_without_an_installation_it_says_what_to_do(tmp_path: Path) -> None:
    done = run("update", tmp_path)
    assert (done.returncode, "sudo bin/setup" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", ["update", "uninstall"])
def test_a_wrong_word_changes_nothing(command: str) -> None:
    words = [str(CHECKOUT / "bin" / command), "--nothing"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)
