"""The doctor asks EC2 what this machine is, and whether the region has such machines."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ec2_service import Ec2Service
from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from metadata_service import MetadataService

Look = Callable[..., Finding]
HERE = {"instance-type": "g5.xlarge", "placement/region": "us-east-1", "instance-id": "i-0abc"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
BUCKET = {"S3_BUCKET": "videos", "S3_REGION": "us-east-1", **KEYS}


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as service:
        service.says |= HERE
        yield service


@pytest.fixture
def ec2(service: MetadataService, look: Look) -> Look:
    """Look from a machine that has this service."""
    return lambda name, **env: look(
        name, **{**service.env, "AWS_EC2_METADATA_DISABLED": "false", **env}
    )


def test_an_instance_is_told_by_its_type_and_region(ec2: Look) -> None:
    found = ec2("instance", **BUCKET)
    assert found.state is State.OK
    assert "g5.xlarge in us-east-1" in found.found


def test_metadata_without_a_token_are_told(ec2: Look, service: MetadataService) -> None:
    service.needs_token = False
    found = ec2("instance")
    assert found.state is State.WARN
    assert "--instance-id i-0abc --http-tokens required" in found.mend


def test_a_bucket_in_another_region_is_told(ec2: Look) -> None:
    found = ec2("instance", **{**BUCKET, "S3_REGION": "eu-west-1"})
    assert found.state is State.WARN
    assert found.mend == "use a bucket in us-east-1"


def test_a_machine_that_is_none_is_told_from_one_that_may_not_ask(
    look: Look, tmp_path: Path
) -> None:
    assert look("instance", Machine(root=tmp_path)).found == "no EC2 instance"
    vendor = tmp_path / "sys" / "class" / "dmi" / "id" / "sys_vendor"
    vendor.parent.mkdir(parents=True)
    vendor.write_text("Amazon EC2\n")
    assert look("instance", Machine(root=tmp_path)).state is State.WARN


@pytest.mark.parametrize(
    ("offers", "state", "says"),
    [
        ({"g5.xlarge"}, State.OK, "us-east-1 offers g5.xlarge"),
        ({"t3.micro"}, State.FAIL, "does not offer"),
        (None, State.WARN, "we may not ask"),
    ],
)
def test_the_region_is_asked_for_its_machines(
    ec2: Look, look: Look, offers: set[str] | None, state: State, says: str
) -> None:
    with Ec2Service() as offering:
        offering.offers = offers
        for asks in (ec2, look):
            found = asks("offered", **BUCKET, **offering.env)
            assert found.state is state
            assert says in found.found


def test_no_region_and_no_answer(look: Look) -> None:
    assert look("offered").state is State.OK
    nobody = {"AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9"}
    assert look("offered", **BUCKET, **nobody).state is State.WARN
