"""The doctor looks at the port and at the certificate, as callers will meet them."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.authority import Files, issue
from gateway.patience import Patience
from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from metadata_service import MetadataService
from serving import serving

Look = Callable[..., Finding]
ROOT = Path(__file__).parent.parent.parent
PUBLIC = {"instance-type": "g5.xlarge", "public-ipv4": "203.0.113.7"}


@pytest.fixture
def tls(look: Look, data_dir: Path) -> dict[str, str]:
    """What our own command makes for two addresses."""
    command = [str(ROOT / "bin" / "wan22"), "certificate", "203.0.113.7", "gpu.example.com"]
    look("folders")  # so that DATA_DIR is said
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (data_dir / "tls").is_dir()
    return dict(line.split("=", 1) for line in made.split())


def test_a_free_port_is_found_so_and_a_taken_one_is_told(look: Look) -> None:
    assert "free" in look("port").found
    with serving(Patience()) as another:
        found = look("port", PORT=str(another.port))
    assert found.state is State.FAIL
    assert "ss -ltnp" in found.mend


def test_without_tls_there_is_no_certificate_to_look_at(look: Look) -> None:
    assert look("certificate").state is State.OK
    assert look("https").state is State.OK


def test_a_good_certificate_is_found_so(look: Look, tls: dict[str, str]) -> None:
    assert look("certificate", **tls).state is State.OK
    public = look("certificate", PUBLIC_URL="https://gpu.example.com:8000")
    assert "for gpu.example.com" in public.found
    assert look("https").mend  # nobody listens yet


def test_a_certificate_for_another_address_is_told(look: Look, tls: dict[str, str]) -> None:
    found = look("certificate", **tls, PUBLIC_URL="https://other.example.com")
    assert found.state is State.FAIL
    assert found.mend.startswith("bin/wan22 certificate other.example.com")


def test_an_instance_has_another_address_at_each_start(look: Look, tls: dict[str, str]) -> None:
    with MetadataService() as service:
        service.says |= PUBLIC
        here = {**service.env, "AWS_EC2_METADATA_DISABLED": "false"}
        assert look("certificate", **tls, **here).state is State.OK
        service.says["public-ipv4"] = "203.0.113.8"
        found = look("certificate")
    assert found.state is State.FAIL
    assert "203.0.113.8" in found.mend


@pytest.mark.parametrize(
    ("days", "state"), [(300, State.OK), (380, State.WARN), (400, State.FAIL), (-3, State.FAIL)]
)
def test_the_end_of_a_certificate_is_told_before_it_comes(
    look: Look, tls: dict[str, str], days: int, state: State
) -> None:
    machine = Machine(clock=lambda: datetime.now(UTC) + timedelta(days=days))
    assert look("certificate", machine, **tls).state is state


def test_a_key_that_does_not_fit_or_is_open_is_told(
    look: Look, tls: dict[str, str], tmp_path: Path
) -> None:
    stranger = Files(tmp_path / "stranger")
    issue(stranger, ["gpu.example.com"], "here", datetime.now(UTC))
    assert "not the key" in look("certificate", **{**tls, "TLS_KEY": str(stranger.key)}).found
    Path(tls["TLS_KEY"]).chmod(0o644)
    assert "chmod 600" in look("certificate", **tls).found


def test_another_authority_is_told(look: Look, tls: dict[str, str], tmp_path: Path) -> None:
    stranger = Files(tmp_path / "stranger")
    issue(stranger, ["gpu.example.com"], "here", datetime.now(UTC))
    authority = Path(tls["TLS_CERT"]).with_name("authority.pem")
    authority.write_bytes(stranger.authority.read_bytes())
    found = look("certificate", **tls)
    assert found.state is State.FAIL
    assert "was not signed by" in found.found


def test_https_is_tried_as_a_caller_would(look: Look, tls: dict[str, str], tmp_path: Path) -> None:
    cert, key = Path(tls["TLS_CERT"]), Path(tls["TLS_KEY"])
    with serving(Patience(), (cert, key)) as server:
        found = look("https", **tls, PORT=str(server.port))
        assert found.state is State.OK, found
        assert "TLSv1.3" in found.found
    stranger = Files(tmp_path / "stranger")
    issue(stranger, ["gpu.example.com"], "here", datetime.now(UTC))
    with serving(Patience(), (stranger.cert, stranger.key)) as server:
        found = look("https", PORT=str(server.port))
        assert found.state is State.FAIL
        assert "is not trusted by" in found.found
    with serving(Patience()) as server:
        found = look("https", PORT=str(server.port))
        assert found.state is State.FAIL
        assert "speaks no TLS" in found.found
