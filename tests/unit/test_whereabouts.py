"""EC2 gives a machine another address at each start: its certificate follows."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.authority import AuthorityUnfit, Files, Issued
from gateway.certificates import DAY
from gateway.whereabouts import issue_here
from jobstore.instance import Instance
from metadata_service import MetadataService

NOW = datetime(2026, 11, 27, tzinfo=UTC)
FIRST, SECOND = "203.0.113.7", "203.0.113.8"
NAME = "ec2-203-0-113-7.eu-west-1.compute.amazonaws.com"
NOBODY = Instance({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"})
LOCAL = {"localhost", "127.0.0.1", "::1"}


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as service:
        service.says |= {
            "public-ipv4": FIRST,
            "public-hostname": NAME,
            "local-ipv4": "10.0.0.4",
            "local-hostname": "ip-10-0-0-4.ec2.internal",
        }
        yield service


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


def here(
    files: Files, service: MetadataService, *given: str, host: str = "a", now: datetime = NOW
) -> Issued:
    return issue_here(files, given, host, Instance(service.env), now)


def contents(files: Files) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files.folder.iterdir()}


def test_it_is_good_for_all_that_ec2_tells_and_for_the_host(
    files: Files, service: MetadataService
) -> None:
    told = {FIRST, NAME, "10.0.0.4", "ip-10-0-0-4.ec2.internal"}
    assert set(here(files, service).names) == {"a", *told, *LOCAL}


def test_the_same_address_at_the_next_start_changes_nothing(
    files: Files, service: MetadataService
) -> None:
    here(files, service)
    before = contents(files)
    again = here(files, service, now=NOW + 300 * DAY)
    assert not again.new_leaf
    assert contents(files) == before


def test_another_address_is_another_leaf_of_the_same_authority(
    files: Files, service: MetadataService
) -> None:
    here(files, service)
    before = contents(files)
    service.says["public-ipv4"] = SECOND
    del service.says["public-hostname"]
    issued = here(files, service)
    changed = {name for name, content in contents(files).items() if content != before[name]}
    assert changed == {"gateway.pem"}
    assert SECOND in issued.names
    assert not {FIRST, NAME} & set(issued.names)


def test_a_leaf_near_its_end_is_issued_anew(files: Files, service: MetadataService) -> None:
    ends_at = here(files, service).leaf.not_valid_after_utc
    assert here(files, service, now=ends_at - 29 * DAY).new_leaf


def test_what_a_person_named_stays_good_at_every_start(
    files: Files, service: MetadataService
) -> None:
    here(files, service, "videos.example.com")
    service.says["public-ipv4"] = SECOND
    assert {"videos.example.com", SECOND} <= set(here(files, service).names)
    assert "videos.example.com" not in here(files, service, "203.0.113.99").names


def test_while_ec2_does_not_answer_nothing_is_taken_from_the_certificate(
    files: Files, service: MetadataService
) -> None:
    before = here(files, service)
    silent = issue_here(files, [], "a", NOBODY, NOW)
    assert (silent.new_leaf, silent.names) == (False, before.names)
    late = issue_here(files, [], "a", NOBODY, before.leaf.not_valid_after_utc - DAY)
    assert (late.new_leaf, late.names) == (True, before.names)


def test_without_ec2_it_is_good_for_the_host(files: Files) -> None:
    assert set(issue_here(files, [], "a", NOBODY, NOW).names) == {"a", *LOCAL}


def test_a_name_that_the_authority_may_not_sign_for_is_left_out_unless_a_person_gave_it(
    files: Files, service: MetadataService
) -> None:
    here(files, service, host="first")
    assert {"second", "no_name"}.isdisjoint(here(files, service, host="second").names)
    assert "no_name" not in here(files, service, host="no_name").names
    with pytest.raises(AuthorityUnfit, match="was not made for second"):
        here(files, service, "second")


def at_start(folder: Path, cert: Path, service: MetadataService) -> list[dict[str, object]]:
    """Run what the unit runs; answers what it says in the log."""
    env = os.environ | service.env | {"DATA_DIR": str(folder), "TLS_CERT": str(cert)}
    command = [sys.executable, "-P", "-m", "gateway.certificate", "--at-start"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_unit_renews_what_was_made_here_and_says_so_in_the_log(
    tmp_path: Path, service: MetadataService
) -> None:
    cert = tmp_path / "tls" / "gateway.pem"
    (said,) = at_start(tmp_path, cert, service)
    assert (said["event"], FIRST in str(said["names"])) == ("certificate.issued", True)
    assert at_start(tmp_path, cert, service) == []
    service.says["public-ipv4"] = SECOND
    (said,) = at_start(tmp_path, cert, service)
    assert SECOND in str(said["names"])


def test_the_unit_leaves_a_certificate_from_elsewhere_alone(
    tmp_path: Path, service: MetadataService
) -> None:
    assert at_start(tmp_path, tmp_path / "other.pem", service) == []
    assert not (tmp_path / "tls").exists()


def test_the_unit_says_in_the_log_why_there_is_no_new_certificate(
    tmp_path: Path, service: MetadataService
) -> None:
    cert = tmp_path / "tls" / "gateway.pem"
    at_start(tmp_path, cert, service)
    (tmp_path / "tls" / "authority.key").unlink()
    env = os.environ | service.env | {"DATA_DIR": str(tmp_path), "TLS_CERT": str(cert)}
    command = [sys.executable, "-P", "-m", "gateway.certificate", "--at-start"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["event"]) == (1, "certificate.missed")
