"""The doctor uses the bucket as the service does: a real S3 server, and all that can be wrong."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.doctor.finding import Finding, State
from local.doctor.machine import Machine
from local.doctor.storage import judged_region, mend_of
from local.running import free_ports
from local.s3 import BUCKET, KEY_ID, SECRET, S3Server
from metadata_service import MetadataService

Look = Callable[..., Finding]
OPEN = "wan22-open"
WRITER = {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "writer-secret"}
CHECKS = ("bucket", "region", "clock", "credentials")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One with two buckets, one of them open to all, and a key that may only write."""
    folder = tmp_path_factory.mktemp("doctor-s3")
    server = S3Server(folder / "data", folder / "s3.log")
    keys = {KEY_ID: (SECRET, ["Admin"]), "writer": ("writer-secret", [f"Write:{BUCKET}"])}
    identities = [
        {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": may}
        for key, (secret, may) in keys.items()
    ]
    identities.append({"name": "anonymous", "actions": [f"Read:{OPEN}"]})
    (server.folder / "s3.json").write_text(json.dumps({"identities": identities}))
    server.start()
    server.client.create_bucket(Bucket=OPEN)
    yield server
    server.stop()


def test_a_sound_bucket_is_found_so_and_nothing_stays_in_it(look: Look, s3: S3Server) -> None:
    for name in CHECKS:
        assert look(name, **s3.env).state is State.OK
    assert "Contents" not in s3.client.list_objects_v2(Bucket=BUCKET)


def test_without_a_bucket_there_is_nothing_to_look_at(look: Look) -> None:
    for name in CHECKS:
        assert "this machine's disk" in look(name).found


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "mend AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "unknown"}, "AWS_ACCESS_KEY_ID"),
        (WRITER, "bin/aws/policy.json"),
        ({"S3_BUCKET": OPEN}, "put-public-access-block"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "attach a role"),
    ],
)
def test_what_is_refused_has_the_line_that_mends_it(
    look: Look, s3: S3Server, change: dict[str, str], mend: str
) -> None:
    found = look("bucket", **{**s3.env, **change})
    assert found.state is State.FAIL
    assert mend in found.mend, found
    assert "X-Amz-Signature" not in found.found


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("(NoSuchBucket) when calling the PutObject operation: it does not exist", "S3_BUCKET"),
        ("(AccessDenied) when calling the DeleteObject operation: no", "bin/aws/policy.json"),
        ("(403) when calling the HeadObject operation: Forbidden", "bin/aws/policy.json"),
        ("(301) when calling the HeadObject operation: Moved Permanently", "S3_REGION"),
        ("(AuthorizationHeaderMalformed): the region 'us-east-1' is wrong", "S3_REGION"),
        ("(ExpiredToken) when calling the PutObject operation: expired", "temporary credentials"),
        ("(RequestTimeTooSkewed) when calling the PutObject operation: off", "timedatectl"),
    ],
)
def test_what_only_aws_says_has_a_line_too(said: str, mend: str) -> None:
    assert mend in mend_of(f"An error occurred {said}")


def test_a_storage_that_is_away_is_told(look: Look, s3: S3Server) -> None:
    (nobody,) = free_ports(1)
    away = {**s3.env, "S3_ENDPOINT_URL": f"http://127.0.0.1:{nobody}"}
    for name in ("bucket", "region", "clock"):
        found = look(name, **away)
        assert found.state is State.FAIL
    assert f":{nobody}" in look("bucket").mend


@pytest.mark.parametrize(
    ("told", "state"),
    [("us-east-1", State.OK), (None, State.OK), ("ap-southeast-1", State.FAIL)],
)
def test_a_bucket_elsewhere_is_told(told: str | None, state: State) -> None:
    found = judged_region(told, "us-east-1")
    assert (found.state, bool(found.mend)) == (state, state is not State.OK)


@pytest.mark.parametrize(
    ("ahead_s", "state"),
    [(0, State.OK), (20, State.WARN), (-20, State.WARN), (400, State.FAIL), (-400, State.FAIL)],
)
def test_a_clock_that_is_off_is_told(look: Look, s3: S3Server, ahead_s: int, state: State) -> None:
    machine = Machine(clock=lambda: datetime.now(UTC) + timedelta(seconds=ahead_s))
    assert look("clock", machine, **s3.env).state is state


def test_credentials_of_a_role_have_an_end(look: Look, s3: S3Server, tmp_path: Path) -> None:
    no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    nobody = {"HOME": str(tmp_path)}
    assert look("credentials", **{**s3.env, **no_keys, **nobody}).state is State.FAIL
    with MetadataService(KEY_ID, SECRET, lasts_s=3600) as service:
        asks = {**service.env, "AWS_EC2_METADATA_DISABLED": "false"}
        found = look("credentials", **asks)
        assert found.state is State.OK
        assert "iam-role" in found.found
        assert "min" in found.found
        hours = Machine(clock=lambda: datetime.now(UTC) + timedelta(hours=2))
        assert look("credentials", hours).state is State.FAIL
