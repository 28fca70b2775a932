"""Settings are read once, and every fault is told, all together, without the value."""

from pathlib import Path

import pytest
from diffusers.models.attention_dispatch import AttentionBackendName

from gateway.settings import GatewaySettings
from jobstore.errors import SettingsWrong
from jobstore.settings import (
    ATTENTIONS,
    ModelSettings,
    Settings,
    StorageSettings,
    read,
)

NAMES = [name.upper() for name in GatewaySettings.model_fields]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Start from a good environment, whatever the machine's is."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    good = {
        "DATA_DIR": str(tmp_path),
        "MODEL_DIR": "pocket",
        "API_SECRET_KEY": "k",
        "S3_BUCKET": "bucket",
        "S3_REGION": "us-east-1",
    }
    for name, value in good.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def faults() -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        read(GatewaySettings)
    return caught.value.faults


def test_a_good_environment_is_enough(tmp_path: Path) -> None:
    settings = read(GatewaySettings)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.store_url == f"sqlite:///{tmp_path}/jobs.db"
    assert settings.abilities().name == "pocket"
    assert not settings.image_url_http


def test_the_ways_to_compute_attention_are_those_of_the_library() -> None:
    """All but those that fetch code while they run, and those of other machines than ours."""
    known = {each.value for each in AttentionBackendName}
    assert set(ATTENTIONS) < known
    others = ("_hub", "npu", "xla", "sm90")
    assert {name for name in known if not name.endswith(others)} == set(ATTENTIONS)


def test_an_unknown_attention_is_refused_with_those_there_are(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("ATTENTION", "sage_hub")
    assert faults() == [f"ATTENTION is one of {', '.join(ATTENTIONS)}"]


def test_all_faults_are_told_at_once(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = {
        "DATA_DIR": "/dev/null/here",
        "DATABASE_URL": "mysql://somewhere",
        "MODEL_DIR": str(tmp_path),
        "API_SECRET_KEY": "line\nbreak",
        "S3_REGION": "",
        "AWS_ACCESS_KEY_ID": "alone",
        "HEARTBEAT_S": "50",
        "POLL_S": "soon",
        "PORT": "70000",
    }
    for name, value in wrong.items():
        environment.setenv(name, value)
    told = faults()
    names = {fault.split()[0] for fault in told}
    assert names == {*wrong, "AWS_SECRET_ACCESS_KEY"} - {"AWS_ACCESS_KEY_ID"}
    assert len(told) == len(names)


WRONG = {
    "S3_ENDPOINT_URL": ["localhost:9000", "ftp://x", "http://", "http://key@host", "http://a b"],
    "S3_BUCKET": ["ab", "Upper", "with space", "-x-"],
    "S3_REGION": ["eu west", "EU"],
    "DATABASE_URL": ["jobs.db", "sqlite:///", "sqlite:///jobs.db", "mysql://x"],
    "LEASE_S": ["1", "x", "-5", "nan"],
    "POLL_S": ["0"],
    "PORT": ["0", "x", "80.5", "65536"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_wrong_value_is_told_by_its_name(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    told = faults()
    assert [fault.split()[0] for fault in told if fault.startswith(name)] == [name]


def test_a_fault_never_shows_the_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("API_SECRET_KEY", "sécret")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    told = " ".join(faults())
    assert "sécret" not in told
    assert "canary" not in told


def test_a_lease_outlives_missed_heartbeats(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEASE_S", "30")
    environment.setenv("HEARTBEAT_S", "10")
    assert read(GatewaySettings).heartbeat_s == 10
    environment.setenv("HEARTBEAT_S", "10.1")
    assert faults()[0].startswith("HEARTBEAT_S is at most LEASE_S / 3")


def test_a_missing_model_says_how_to_mend_it(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("MODEL_DIR")
    (fault,) = faults()
    assert fault.startswith("MODEL_DIR")
    assert "bin/setup --weights /" in fault


def test_each_process_asks_only_for_what_it_needs(environment: pytest.MonkeyPatch) -> None:
    """The renderer has no business with the bucket, the delivery none with the model."""
    for name in ("API_SECRET_KEY", "S3_BUCKET", "S3_REGION"):
        environment.delenv(name)
    assert isinstance(read(ModelSettings), Settings)
    environment.delenv("MODEL_DIR")
    assert isinstance(read(StorageSettings), Settings)
    environment.setenv("S3_BUCKET", "bucket")
    environment.setenv("S3_REGION", "us-east-1")
    assert isinstance(read(StorageSettings), Settings)
