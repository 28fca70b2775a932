"""The gateway starts only where strangers cannot come in; every fault is told, with what to do."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.authority import Files, issue
from gateway.certificates import DAY
from gateway.listening import ListeningSettings
from gateway.settings import GatewaySettings
from jobstore.errors import SettingsWrong
from jobstore.settings import read

EVERYWHERE = ".".join("0000")
NOW = datetime.now(UTC)
STRONG, WEAK = secrets.token_hex(32), "swordfish"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return made(tmp_path / "tls")


def made(folder: Path, days_ago: int = 0) -> Files:
    issue(Files(folder), ["203.0.113.7"], "here", NOW - days_ago * DAY)
    return Files(folder)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Start from a good environment, whatever the machine's is."""
    for name in GatewaySettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    good = {"DATA_DIR": str(tmp_path), "MODEL_DIR": "pocket", "API_SECRET_KEY": STRONG}
    for name, value in {**good, "S3_BUCKET": "bucket", "S3_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_plain_http_on_loopback_is_nobody_elses_business(environment: pytest.MonkeyPatch) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        environment.setenv("HOST", host)
        given = read(ListeningSettings)
        assert (given.public, given.doubts(NOW)) == (False, [])


def test_a_weak_key_on_loopback_is_a_doubt(environment: pytest.MonkeyPatch) -> None:
    """It is told, and nothing more: others of this machine could guess it, strangers never ask."""
    environment.setenv("API_SECRET_KEY", WEAK)
    (doubt,) = read(ListeningSettings).doubts(NOW)
    assert doubt == "API_SECRET_KEY has fewer than 32 characters"


def faults(environment: pytest.MonkeyPatch, **env: str | Path) -> list[str]:
    for name, value in env.items():
        environment.setenv(name, str(value))
    with pytest.raises(SettingsWrong) as caught:
        read(ListeningSettings)
    assert WEAK not in "".join(caught.value.faults)
    return caught.value.faults


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "203.0.113.7", "10.0.0.7"])
def test_a_public_address_without_tls_is_refused(
    environment: pytest.MonkeyPatch, host: str
) -> None:
    (fault,) = faults(environment, HOST=host)
    assert fault.startswith(f"HOST {host} can be reached by others")
    for advice in ("bin/wan22 certificate ADDRESS", "127.0.0.1", "ALLOW_UNSAFE=plain-http"):
        assert advice in fault


def test_a_weak_key_on_a_public_address_is_refused(
    environment: pytest.MonkeyPatch, files: Files
) -> None:
    environment.setenv("HOST", EVERYWHERE)
    (fault,) = faults(environment, TLS_CERT=files.cert, TLS_KEY=files.key, API_SECRET_KEY=WEAK)
    assert fault.startswith("API_SECRET_KEY has fewer than 32 characters, and 0.0.0.0 can")
    assert "openssl rand -hex 32" in fault
    assert "ALLOW_UNSAFE=weak-key" in fault


def test_with_tls_and_a_strong_key_all_may_come(
    environment: pytest.MonkeyPatch, files: Files
) -> None:
    for name, value in {"HOST": "::", "TLS_CERT": files.cert, "TLS_KEY": files.key}.items():
        environment.setenv(name, str(value))
    given = read(ListeningSettings)
    assert (given.public, given.doubts(NOW)) == (True, [])


def test_what_is_unsafe_is_done_when_it_is_said_in_words(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HOST", EVERYWHERE)
    environment.setenv("API_SECRET_KEY", WEAK)
    environment.setenv("ALLOW_UNSAFE", "plain-http,weak-key")
    assert [doubt.split()[0] for doubt in read(ListeningSettings).doubts(NOW)] == [
        "others",
        "API_SECRET_KEY",
    ]


def test_each_word_allows_one_thing(environment: pytest.MonkeyPatch) -> None:
    env = {"HOST": EVERYWHERE, "API_SECRET_KEY": WEAK}
    assert names(faults(environment, **env, ALLOW_UNSAFE="weak-key")) == ["HOST"]
    assert names(faults(environment, **env, ALLOW_UNSAFE="plain-http")) == ["API_SECRET_KEY"]
    assert names(faults(environment, **env, ALLOW_UNSAFE="yes"))[0] == "ALLOW_UNSAFE"


def names(faults: list[str]) -> list[str]:
    return [fault.split()[0] for fault in faults]


def test_all_faults_are_told_at_once(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = {"HOST": EVERYWHERE, "S3_REGION": "", "PORT": "x", "TLS_KEY": str(tmp_path / "none")}
    assert names(faults(environment, **wrong)) == ["S3_REGION", "TLS_KEY", "HOST", "PORT"]


def test_a_host_without_an_address_is_refused(environment: pytest.MonkeyPatch) -> None:
    host = "a" * 70  # longer than any name, so that nobody is asked for it
    (fault,) = faults(environment, HOST=host)
    assert fault.startswith(f"HOST {host} has no address")


def test_a_file_that_is_not_there_is_told(environment: pytest.MonkeyPatch, files: Files) -> None:
    (fault,) = faults(environment, TLS_CERT=files.folder / "none", TLS_KEY=files.key)
    assert fault.startswith(f"TLS_CERT {files.folder}/none cannot be read (No such file")
    assert "bin/wan22 certificate ADDRESS" in fault
    (fault,) = faults(environment, TLS_CERT=files.cert, TLS_KEY=files.folder)
    assert fault.startswith(f"TLS_KEY {files.folder} cannot be read (Is a directory")


@pytest.mark.parametrize("alone", ["TLS_CERT", "TLS_KEY"])
def test_one_file_alone_is_told(environment: pytest.MonkeyPatch, files: Files, alone: str) -> None:
    file = files.cert if alone == "TLS_CERT" else files.key
    (fault,) = faults(environment, **{alone: file})
    assert fault == "TLS_KEY is set together with TLS_CERT, or neither of them"


def test_a_key_of_another_certificate_is_told(
    environment: pytest.MonkeyPatch, files: Files, tmp_path: Path
) -> None:
    other = made(tmp_path / "other")
    (fault,) = faults(environment, TLS_CERT=files.cert, TLS_KEY=other.key)
    assert fault.startswith(f"TLS_KEY {other.key} is not the key of {files.cert}")


def test_files_of_another_kind_are_told(environment: pytest.MonkeyPatch, files: Files) -> None:
    (fault,) = faults(environment, TLS_CERT=files.key, TLS_KEY=files.key)
    assert fault.startswith(f"TLS_CERT {files.key} has no readable certificate")
    files.key.write_bytes(files.cert.read_bytes())
    (fault,) = faults(environment, TLS_CERT=files.cert, TLS_KEY=files.key)
    assert "has no readable key" in fault


def test_an_expired_certificate_is_told(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = made(tmp_path / "old", days_ago=400)
    (fault,) = faults(environment, TLS_CERT=old.cert, TLS_KEY=old.key)
    assert fault.startswith(f"TLS_CERT {old.cert} has expired on ")


def test_a_certificate_that_ends_soon_is_a_doubt(
    environment: pytest.MonkeyPatch, files: Files
) -> None:
    environment.setenv("TLS_CERT", str(files.cert))
    environment.setenv("TLS_KEY", str(files.key))
    given = read(ListeningSettings)
    assert given.doubts(NOW + 365 * DAY) == []
    (doubt,) = given.doubts(NOW + 367 * DAY)
    assert doubt.startswith("TLS_CERT ends on ")


def test_a_certificate_of_the_future_is_told(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new = made(tmp_path / "new", days_ago=-2)
    (fault,) = faults(environment, TLS_CERT=new.cert, TLS_KEY=new.key)
    assert "look at this machine's clock" in fault


def test_a_key_that_everybody_can_read_is_told(
    environment: pytest.MonkeyPatch, files: Files
) -> None:
    files.key.chmod(0o644)
    (fault,) = faults(environment, TLS_CERT=files.cert, TLS_KEY=files.key)
    assert (
        fault
        == f"TLS_KEY {files.key} can be read by everybody on this machine; chmod 600 {files.key}"
    )
    files.key.chmod(0o640)
    assert read(ListeningSettings).tls_key == files.key
