"""Webhooks go where the settings say, and are signed with a secret that is one."""

import base64
from ipaddress import ip_address
from pathlib import Path

import pytest

from jobstore.errors import FetchRefused, SettingsWrong
from jobstore.reach import Reach
from jobstore.settings import read
from jobstore.webhooks import check_target, exemptions, reach_of
from receiver import SECRET
from runner.deliver.settings import DeliverSettings

GOOD = {"S3_BUCKET": "bucket", "S3_REGION": "us-east-1", "WEBHOOK_SECRET": SECRET}
NAMES = [name.upper() for name in DeliverSettings.model_fields]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**GOOD, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def faults() -> list[str]:
    with pytest.raises(SettingsWrong) as caught:
        read(DeliverSettings)
    return caught.value.faults


def secret(length: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(length))).decode()


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(environment: pytest.MonkeyPatch, length: int) -> None:
    environment.setenv("WEBHOOK_SECRET", secret(length))
    given = read(DeliverSettings).webhook_secret
    assert given
    assert given.get_secret_value() == secret(length)
    assert secret(length) not in repr(read(DeliverSettings))


@pytest.mark.parametrize(
    "wrong",
    [secret(23), secret(65), secret(32)[6:], secret(32)[:-1], "whsec_", "whsec_ä", "changeme"],
)
def test_what_is_no_secret_is_told_with_how_to_make_one(
    environment: pytest.MonkeyPatch, wrong: str
) -> None:
    environment.setenv("WEBHOOK_SECRET", wrong)
    environment.setenv("WEBHOOK_URL", "https://hooks.example/")
    (fault,) = faults()
    assert fault.startswith("WEBHOOK_SECRET is whsec_ and the base64 of 24 to 64 bytes")
    assert "openssl rand -base64 32" in fault
    assert wrong == "whsec_" or wrong not in fault


def test_a_url_for_all_needs_a_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_URL", "https://hooks.example/")
    assert read(DeliverSettings).webhook_url == "https://hooks.example/"
    environment.delenv("WEBHOOK_SECRET")
    assert faults() == ["WEBHOOK_URL needs WEBHOOK_SECRET beside it"]


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://10.0.0.1/", "hooks.example"])
def test_a_url_for_all_leads_where_webhooks_go(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("WEBHOOK_URL", url)
    (fault,) = faults()
    assert fault.startswith("WEBHOOK_URL is an https:// URL")


@pytest.mark.parametrize(
    "wrong",
    [
        "hooks.example",
        "10.0.0.1/8:80",
        "10.0.0.0/8:0",
        "10.0.0.0/8:65536",
        "fd00::/8:1",
        "10.0.0.0:",
    ],
)
def test_what_is_no_list_of_networks_is_told(environment: pytest.MonkeyPatch, wrong: str) -> None:
    environment.setenv("WEBHOOK_ALLOW", wrong)
    (fault,) = faults()
    assert fault.startswith("WEBHOOK_ALLOW is networks")


def test_a_list_names_networks_with_and_without_ports() -> None:
    listed = exemptions("10.0.0.0/8:8080, 127.0.0.1/32:9000,[fd00::/8]:8443,192.168.1.7")
    told = [(str(each.network), each.port) for each in listed]
    assert told == [
        ("10.0.0.0/8", 8080),
        ("127.0.0.1/32", 9000),
        ("fd00::/8", 8443),
        ("192.168.1.7/32", None),
    ]
    assert exemptions("") == ()


TAKEN = [
    "https://hooks.example/a?b",
    "https://hooks.example:443/",
    "https://93.184.216.34/",
    "https://10.1.2.3:8080/",
    "http://10.1.2.3:8080/",
    "http://hooks.internal:8080/",
    "HTTP://hooks.internal:8080/",
    "http://192.168.1.7/",
    "https://192.168.1.7/",
    "http://[fd00::1]:8443/",
]
REFUSED = [
    "http://93.184.216.34:8080/",
    "http://93.184.216.34/",
    "http://10.1.2.3:8081/",
    "http://10.1.2.3/",
    "https://10.1.2.3/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://[::ffff:10.1.2.3]:8080/",
    "https://[::1]/",
    "https://169.254.169.254/",
    "https://hooks.example:8444/",
    "http://hooks.internal:8444/",
    "https://user:secret@hooks.example/",
    "ftp://hooks.example/",
    "//hooks.example/",
    "hooks.example",
    "",
    "https://hooks.example/" + "a" * 2048,
]
ALLOWED = exemptions("10.0.0.0/8:8080,192.168.1.7,[fd00::/8]:8443")


@pytest.mark.parametrize("url", TAKEN)
def test_where_webhooks_go(url: str) -> None:
    check_target(url, ALLOWED)


@pytest.mark.parametrize("url", REFUSED)
def test_where_webhooks_never_go(url: str) -> None:
    with pytest.raises(FetchRefused):
        check_target(url, ALLOWED)


def test_over_plain_http_no_public_address_is_reached_on_any_port() -> None:
    """Neither on the usual one nor on one that is allowed in networks of one's own."""
    public, ours = "93.184.216.34", "10.1.2.3"
    reach = reach_of("http", exemptions("10.0.0.0/8:80,10.0.0.0/8:443"))
    for port in (80, 443):
        assert chosen(reach, ours, port)
        assert not chosen(reach, public, port)
    assert chosen(reach_of("https", ()), public, 443)


def chosen(reach: Reach, address: str, port: int) -> bool:
    try:
        return bool(reach.choose([ip_address(address)], port))
    except FetchRefused:
        return False
