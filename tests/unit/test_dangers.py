"""Whether a machine that powers itself off comes back is asked of AWS, and doubted otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ec2_service import Ec2Service
from idle_machine import idle_settings
from jobstore.aws import Account
from jobstore.instance import Instance
from metadata_service import MetadataService
from runner.idle.dangers import dangers

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}


@pytest.fixture
def service() -> Iterator[MetadataService]:
    """An instance on demand, in no group."""
    with MetadataService() as service:
        service.says["instance-life-cycle"] = "on-demand"
        service.says["instance-id"] = "i-0123456789"
        service.says["placement/region"] = "eu-central-1"
        yield service


def found(service: MetadataService, behavior: str | None) -> list[str]:
    return list(dangers(Instance(service.env), lambda *_: behavior))


def test_an_instance_that_stops_is_safe(service: MetadataService) -> None:
    assert found(service, "stop") == []


def test_one_that_would_be_terminated_is_not(service: MetadataService) -> None:
    assert found(service, "terminate") == ["terminates"]


def test_what_cannot_be_learnt_is_doubted(service: MetadataService) -> None:
    assert found(service, None) == ["unknown"]
    del service.says["instance-id"]
    assert found(service, "stop") == ["unknown"]


def test_a_spot_instance_and_one_of_a_group_are_not_stopped(service: MetadataService) -> None:
    service.says["instance-life-cycle"] = "spot"
    assert found(service, "stop") == ["spot"]
    service.says["autoscaling/target-lifecycle-state"] = "InService"
    assert found(service, "stop") == ["spot", "group"]


def test_a_machine_of_which_aws_says_nothing_is_doubted() -> None:
    nobody = {"AWS_EC2_METADATA_DISABLED": "true"}
    assert list(dangers(Instance(nobody), lambda *_: "stop")) == ["unknown"]


@pytest.mark.parametrize("behavior", ["stop", "terminate", None])
def test_ec2_is_asked_about_this_very_instance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, behavior: str | None
) -> None:
    """By the library's own client; a role that may not ask is no error."""
    with Ec2Service(behavior) as ec2:
        for name, value in ec2.env.items():
            monkeypatch.setenv(name, value)
        account = Account(idle_settings(tmp_path, **KEYS))
        assert account.shutdown_behavior("i-0123456789", "eu-central-1") == behavior
    (asked,) = ec2.asked
    assert asked["Action"] == ["DescribeInstanceAttribute"]
    assert asked["InstanceId"] == ["i-0123456789"]
    assert asked["Attribute"] == ["instanceInitiatedShutdownBehavior"]


def test_without_credentials_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    account = Account(idle_settings(tmp_path))
    assert account.shutdown_behavior("i-0123456789", "eu-central-1") is None
