"""The doctor looks at DATA_DIR/.env and at the settings: typos, rights, weak keys, faults."""

import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.doctor import dotenv, folders
from local.doctor.finding import Finding, State

ROOT = Path(__file__).parent.parent.parent
Look = Callable[..., Finding]
SOUND = "# a comment\nAPI_SECRET_KEY=x\nS3_BUCKET=videos\n\nHTTPS_PROXY=http://10.0.0.1\n"
EVERYWHERE = ".".join("0000")


@pytest.fixture
def env_file(data_dir: Path) -> Path:
    data_dir.mkdir()
    file = data_dir / ".env"
    file.write_text(SOUND)
    file.chmod(0o600)
    return file


def test_a_sound_file_is_found_so(look: Look, env_file: Path) -> None:
    found = look("env")
    assert found.state is State.OK, found
    assert str(env_file) in found.found


@pytest.mark.parametrize(
    ("line", "state", "mend"),
    [
        ("S3_BUKET=videos", State.WARN, "write S3_BUCKET for S3_BUKET"),
        ("s3_bucket=videos", State.WARN, "write S3_BUCKET for s3_bucket"),
        ("AWS_ACESS_KEY_ID=x", State.WARN, "write AWS_ACCESS_KEY_ID for AWS_ACESS_KEY_ID"),
        ("SOMETHING_ELSE=1", State.WARN, "remove SOMETHING_ELSE"),
        ("S3_BUCKET=others", State.WARN, "leave one"),
        ("export PORT=8000", State.FAIL, "without `export`"),
        ("PORT = 8000", State.FAIL, "NAME=value"),
    ],
)
def test_a_line_that_would_not_count_is_told(
    look: Look, env_file: Path, line: str, state: State, mend: str
) -> None:
    env_file.write_text(f"{SOUND}{line}\n")
    found = look("env")
    assert found.state is state
    assert mend in found.mend


def test_the_file_that_a_set_up_writes_is_known_in_full(look: Look, env_file: Path) -> None:
    """And so is what the idle stop is told by."""
    script = f". {ROOT}/bin/steps/settings.sh; DATA=/data LOOPBACK=; template"
    written = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert "TLS_CERT=" in written.stdout
    env_file.write_text(f"{written.stdout}IDLE_STOP_S=900\n")
    assert look("env").state is State.OK


def test_a_file_that_others_can_read_is_told_and_not_what_is_in_it(
    look: Look, env_file: Path
) -> None:
    env_file.write_text("API_SECRET_KEY=very-much-a-secret\nnonsense very-much-a-secret\n")
    for mode in (0o644, 0o600):
        env_file.chmod(mode)
        found = look("env")
        assert found.state is State.FAIL
        assert "very-much" not in found.found + found.mend
    env_file.chmod(0o640)
    assert look("env").mend == f"chmod 600 {env_file}"


def test_without_the_file_settings_come_from_the_environment_alone(look: Look) -> None:
    assert look("env").state is State.WARN


def test_what_belongs_to_somebody_else_is_told(look: Look, env_file: Path, data_dir: Path) -> None:
    """As a command does that somebody ran as root."""
    nobody = pwd.getpwnam("nobody")
    found = dotenv.judged_rights(env_file, env_file.stat(), nobody)
    assert found
    assert found.mend == f"sudo chown nobody {env_file}"
    assert look("folders").state is State.OK
    (data_dir / "outputs").mkdir()
    lost = folders.judged(data_dir, nobody.pw_uid)
    assert lost.state is State.FAIL
    assert str(data_dir / "outputs") in lost.mend


def test_a_sticky_folder_for_files_is_told(look: Look, data_dir: Path) -> None:
    inputs = data_dir / "inputs"
    inputs.mkdir(parents=True)
    assert look("folders").state is State.OK
    inputs.chmod(0o1777)
    assert look("folders").state is State.WARN


def test_faults_of_all_three_processes_are_told_each_once(look: Look) -> None:
    assert look("settings").state is State.OK
    found = look("settings", PORT="0", HEARTBEAT_S="50", MODEL_DIR="/nowhere", S3_BUCKET="videos")
    assert found.state is State.FAIL
    assert found.found.count("HEARTBEAT_S") == 1
    assert "(gateway, render, deliver)" in found.found
    for name in ("PORT", "MODEL_DIR", "S3_REGION"):
        assert name in found.found


def test_a_check_that_needs_them_says_so(look: Look) -> None:
    found = look("bucket", S3_BUCKET="videos")
    assert found.state is State.FAIL
    assert found.found == "not looked at, as these are wrong: S3_REGION"
    assert found.mend == "see the check settings"


@pytest.mark.parametrize(
    ("env", "key", "listening"),
    [
        ({}, State.OK, State.OK),
        ({"API_SECRET_KEY": "changeme"}, State.WARN, State.OK),
        ({"HOST": EVERYWHERE}, State.FAIL, State.FAIL),
        ({"HOST": EVERYWHERE, "ALLOW_UNSAFE": "plain-http"}, State.OK, State.WARN),
        (
            {"HOST": EVERYWHERE, "ALLOW_UNSAFE": "plain-http", "API_SECRET_KEY": "changeme"},
            State.FAIL,
            State.FAIL,
        ),
        (
            {
                "HOST": EVERYWHERE,
                "ALLOW_UNSAFE": "plain-http,weak-key",
                "API_SECRET_KEY": "changeme",
            },
            State.WARN,
            State.WARN,
        ),
    ],
)
def test_keys_and_listening_are_judged_by_the_gateways_own_rules(
    look: Look, env: dict[str, str], key: State, listening: State
) -> None:
    assert (look("key", **env).state, look("listening", **env).state) == (key, listening)
