"""What EC2 tells of the machine is asked for as version 2 of its service wants it."""

from collections.abc import Iterator

import pytest

from jobstore.errors import MetadataUnavailable
from jobstore.instance import Instance
from metadata_service import MetadataService


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as service:
        yield service


def test_it_tells_what_there_is_and_what_there_is_not(service: MetadataService) -> None:
    service.says["placement/region"] = "us-east-1"
    instance = Instance(service.env)
    assert instance.tell("placement/region") == "us-east-1"
    assert instance.tell("spot/instance-action") is None


def test_a_token_that_has_ended_is_replaced(service: MetadataService) -> None:
    service.says["instance-type"] = "g5.xlarge"
    instance = Instance(service.env)
    instance.tell("instance-type")
    service.token = "second"
    assert instance.tell("instance-type") == "g5.xlarge"


def test_it_says_so_when_nothing_answers(service: MetadataService) -> None:
    with pytest.raises(MetadataUnavailable):
        Instance({**service.env, "AWS_EC2_METADATA_DISABLED": "true"}).tell("instance-type")
    nobody = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}
    with pytest.raises(MetadataUnavailable):
        Instance(nobody).tell("instance-type")
