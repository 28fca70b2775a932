"""A bucket is made private and cleared up, by a real server; what it cannot do is said."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobstore.bucket import SHUT, Bucket
from local.s3 import REGION, S3Server

COMMAND = Path(__file__).parent.parent.parent / "bin" / "wan22"
NAME = "a-private-bucket"
KEEP_S = 30 * 86_400.0


ROLE = {
    "name": "role",
    "credentials": [{"accessKey": "role", "secretKey": "of the machine"}],
    "actions": [f"{what}:made-before" for what in ("Read", "Write", "List")],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with an owner, and a role that may only use one bucket."""
    folder = tmp_path_factory.mktemp("s3")
    server = S3Server(folder / "s3", folder / "s3.log")
    identities = folder / "s3" / "s3.json"
    known = json.loads(identities.read_text())
    known["identities"].append(ROLE)
    identities.write_text(json.dumps(known))
    server.start()
    yield server
    server.stop()


def bucket(server: S3Server, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    given = {**server.env, "S3_BUCKET": "", "S3_REGION": "", "DATA_DIR": str(server.folder), **env}
    return subprocess.run(
        [COMMAND, "bucket", *words],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_is_made_and_made_again_it_stays(server: S3Server) -> None:
    assert bucket(server, "--check", NAME, "--region", REGION).returncode == 1
    done = bucket(server, NAME, "--region", REGION)
    assert (done.returncode, done.stdout) == (0, f"S3_BUCKET={NAME}\nS3_REGION={REGION}\n")
    assert "this server does not know how to make it so: no part of it is public" in done.stderr
    assert bucket(server, "--check", NAME, S3_REGION=REGION).returncode == 0
    assert bucket(server, NAME, S3_REGION=REGION).returncode == 0


def test_without_a_region_it_asks_for_one(server: S3Server) -> None:
    done = bucket(server, NAME, AWS_EC2_METADATA_DISABLED="true")
    assert (done.returncode, done.stderr.startswith("Which region?")) == (1, True)


def test_its_rules_are_set_beside_those_of_others_and_follow_the_settings(
    server: S3Server,
) -> None:
    client, name = server.client, "with-rules"
    client.create_bucket(Bucket=name)
    own = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 1}}
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [own]})
    for keep_s, days in ((KEEP_S, 37), (2 * KEEP_S, 67)):
        made = Bucket(name, client, keep_s)
        assert not made.is_whole()
        list(made.make(REGION))
        assert made.is_whole()
        assert rules(client, name)["wan22-old-videos"]["Expiration"] == {"Days": days}
    list(Bucket(name, client, float("inf")).make(REGION))
    assert set(rules(client, name)) == {"mine", "wan22-cut-off-uploads"}
    assert rules(client, name)["wan22-cut-off-uploads"]["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": 1
    }


def rules(client: Any, name: str) -> dict[str, Any]:
    found = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    return {rule["ID"]: rule for rule in found}


def test_all_public_access_is_asked_to_be_blocked_in_the_region_that_is_named(
    server: S3Server,
) -> None:
    """SeaweedFS does not know the first; what is sent is what AWS gets."""
    client = server.client
    sent: dict[str, Any] = {}
    client.meta.events.register(
        "provide-client-params.s3", lambda params, model, **_: sent.update({model.name: params})
    )
    list(Bucket("elsewhere", client, KEEP_S).make("eu-west-1"))
    assert sent["PutPublicAccessBlock"]["PublicAccessBlockConfiguration"] == SHUT
    assert all(SHUT.values())
    where = sent["CreateBucket"]["CreateBucketConfiguration"]
    assert where == {"LocationConstraint": "eu-west-1"}
    list(Bucket("in-the-first", client, KEEP_S).make("us-east-1"))
    assert "CreateBucketConfiguration" not in sent["CreateBucket"]


def test_a_storage_that_refuses_says_so(server: S3Server) -> None:
    done = bucket(server, NAME, "--region", REGION, AWS_SECRET_ACCESS_KEY="wrong")
    assert (done.returncode, "SignatureDoesNotMatch" in done.stderr) == (1, True)


def test_a_role_that_may_only_use_a_bucket_takes_it_as_it_is(server: S3Server) -> None:
    server.client.create_bucket(Bucket="made-before")
    role = {"AWS_ACCESS_KEY_ID": "role", "AWS_SECRET_ACCESS_KEY": "of the machine"}
    done = bucket(server, "made-before", "--region", REGION, **role)
    assert done.returncode == 0, done.stderr
    assert "these credentials may not make it so" in done.stderr
    new = bucket(server, "another", "--region", REGION, **role)
    assert (new.returncode, "AccessDenied" in new.stderr) == (1, True)
