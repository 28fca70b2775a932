"""A machine is set up once; again, nothing changes; what fails says what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import set_up
from gateway.listening import ListeningSettings
from gateway.strength import weakness
from hub_server import Hub
from local.s3 import REGION, S3Server
from metadata_service import MetadataService
from set_up import CHECKOUT, listing, run, settings

MOUNT = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
NEW = ("--no-weights",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A disk with the program on it."""
    root = tmp_path / "root"
    root.mkdir()
    set_up.with_our_release(root)
    return root


def test_a_second_run_changes_nothing(root: Path, hub: Hub) -> None:
    first = run("setup", root, HF_ENDPOINT=hub.url)
    assert first.returncode == 0, first.stderr
    assert "This machine is set up. Next:" in first.stderr
    assert "and not this tree: sudo bin/update" in first.stderr
    before = listing(root)
    second = run("setup", root)
    assert second.returncode == 0, second.stderr
    assert second.stderr.count(": already there") == 8
    assert listing(root) == before


def test_a_check_changes_nothing_and_tells_each_step(root: Path) -> None:
    before = listing(root)
    lacking = run("setup", root, "--check", *NEW)
    assert lacking.returncode == 1
    assert f"The settings, in {root}/data/.env: missing" in lacking.stderr
    assert "Stopped" not in lacking.stderr
    assert listing(root) == before
    run("setup", root, *NEW)
    before = listing(root)
    assert run("setup", root, "--check", *NEW).returncode == 0
    assert run("setup", root, "--check").returncode == 1  # the weights
    assert listing(root) == before


def test_the_folders_have_their_modes(root: Path) -> None:
    run("setup", root, *NEW)
    modes = {name: (root / "data" / name).stat().st_mode & 0o7777 for name in ("", "outputs")}
    assert modes == {"": 0o750, "outputs": 0o750}
    assert (root / "data" / "inputs").stat().st_mode & 0o7777 == 0o2770
    assert (root / "data" / ".env").stat().st_mode & 0o7777 == 0o600
    assert (root / "data" / "tls" / "gateway.key").stat().st_mode & 0o7777 == 0o600


def test_the_gateway_takes_the_settings_and_is_reached_by_https(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("setup", root, *NEW)
    for name, value in (settings(root) | {"MODEL_DIR": "pocket"}).items():
        monkeypatch.setenv(name, value)
    given = ListeningSettings()
    assert given.public
    assert given.tls_cert == root / "data" / "tls" / "gateway.pem"
    assert not weakness(given.api_secret_key.get_secret_value())
    assert given.data_dir == root / "data"


def test_each_machine_has_a_key_of_its_own(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    set_up.with_our_release(other)
    run("setup", root, *NEW)
    run("setup", other, *NEW)
    assert settings(root)["API_SECRET_KEY"] != settings(other)["API_SECRET_KEY"]


def test_on_loopback_there_is_no_certificate(root: Path) -> None:
    run("setup", root, "--loopback", *NEW)
    assert settings(root)["HOST"] == "127.0.0.1"
    assert "TLS_CERT" not in settings(root)
    assert not (root / "data" / "tls").exists()


def test_settings_that_are_there_stay_but_are_kept_secret(root: Path) -> None:
    env = root / "data" / ".env"
    env.parent.mkdir()
    env.write_text("API_SECRET_KEY=mine\n")
    env.chmod(0o644)
    done = run("setup", root, *NEW)
    assert env.read_text() == "API_SECRET_KEY=mine\n"
    assert env.stat().st_mode & 0o777 == 0o600
    assert f"{env} could be read by others (mode 644): it is 600 now" in done.stderr


def test_the_units_are_installed_and_start_with_the_machine(root: Path) -> None:
    run("setup", root, *NEW)
    units = root / "etc" / "systemd" / "system"
    wanted = {path.name for path in (units / "wan22.target.wants").iterdir()}
    assert {"wan22-gateway.service", "wan22-render.service", "wan22-deliver.service"} <= wanted
    assert (units / "multi-user.target.wants" / "wan22.target").is_symlink()
    limit = root / "etc" / "systemd" / "journald.conf.d" / "wan22.conf"
    assert "SystemMaxUse=" in limit.read_text()
    (units / "wan22-gateway.service").write_text("[Unit]\n")
    assert "The units of systemd" in run("setup", root, "--check", *NEW).stderr
    run("setup", root, *NEW)
    assert "ExecStart=" in (units / "wan22-gateway.service").read_text()


@pytest.mark.long
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_a_bucket_is_made_and_stands_in_the_settings_with_the_region_of_the_machine(
    root: Path, tmp_path: Path, *, later: bool
) -> None:
    server = S3Server(tmp_path / "s3", tmp_path / "s3.log")
    server.start()
    try:
        with MetadataService() as service:
            service.says["placement/region"] = REGION
            env = server.env | service.env | {"S3_BUCKET": "", "S3_REGION": ""}
            env["AWS_EC2_METADATA_DISABLED"] = "false"
            if later:
                run("setup", root, *NEW)
            done = run("setup", root, "--bucket", "of-a-machine", *NEW, **env)
            assert done.returncode == 0, done.stderr
            assert "this server does not know how to make it so" in done.stderr
            assert settings(root)["S3_BUCKET"] == "of-a-machine"
            assert settings(root)["S3_REGION"] == REGION
            assert (root / "data" / ".env").stat().st_mode & 0o777 == 0o600
            before = listing(root)
            again = run("setup", root, "--bucket", "of-a-machine", *NEW, **env)
            assert "The bucket of-a-machine, private, with its rules: already there" in again.stderr
            assert listing(root) == before
            other = run("setup", root, "--bucket", "another", *NEW, **env)
            assert "names another bucket: set S3_BUCKET=another" in other.stderr
    finally:
        server.stop()


def test_a_command_of_the_machine_finds_its_release(root: Path) -> None:
    run("setup", root, *NEW)
    command = [str(root / "usr/local/bin/wan22"), "keys", "new", "somebody"]
    env = os.environ | {"DATA_DIR": str(root / "data")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def small(root: Path, options: str) -> set_up.Done:
    """Set up a disk that only the command sees."""
    script = f'mount -t tmpfs -o {options} small "$1" && exec "$0" --root "$1" --no-weights'
    return subprocess.run(
        [*MOUNT, script, str(CHECKOUT / "bin" / "setup"), str(root)],
        env=os.environ | {"PYTHON": shutil.which("python3") or ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_that_is_not_whole_does_not_count(root: Path) -> None:
    (root / "opt/wan22/releases/checkout.whole").unlink()
    done = run("setup", root, "--check", *NEW)
    assert f"in {root}/opt/wan22/releases: missing" in done.stderr


def test_too_small_a_disk_is_told_before_anything_is_made(tmp_path: Path) -> None:
    done = small(tmp_path, "size=16m")
    assert done.returncode == 1
    assert f"{tmp_path} has 16 MB free, and " in done.stderr
    assert "make room, or use a larger disk" in done.stderr
    assert done.stderr.endswith("what is done stays, and it goes on from here.\n")


def test_a_disk_that_cannot_be_written_stops_it_with_the_step_named(tmp_path: Path) -> None:
    done = small(tmp_path, "size=64g,ro")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert f"stopped at: Python for the service, in {tmp_path}/opt/wan22/python." in done.stderr


def test_a_python_that_the_units_could_not_see_is_refused(tmp_path: Path) -> None:
    done = run("setup", tmp_path / "root", *NEW, PYTHON="/home/somebody/python3")
    assert done.returncode == 1
    assert "not below /home or /root" in done.stderr


@pytest.mark.parametrize("words", [["--nothing"], ["--root"], ["folder"]])
def test_a_wrong_word_changes_nothing(words: list[str]) -> None:
    command = [str(CHECKOUT / "bin" / "setup"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)
