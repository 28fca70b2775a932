"""The files for AWS allow just what is done, and say what they should."""

import ast
import json
import os
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from jobstore.aws import Account
from jobstore.clock import now_ms
from jobstore.job import Request
from jobstore.keeping import KeepSettings
from jobstore.objects import Objects
from jobstore.settings import StorageSettings, read
from local.s3 import BUCKET, S3Server
from paying import owe, paid
from runner.deliver.pay import Pay
from runner.stage import Stage

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "bin" / "aws"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## In AWS\n")[2].partition("\n## ")[0]
FILL, COMMANDS = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
OPERATIONS = {
    "AbortMultipartUpload": {"s3:AbortMultipartUpload"},
    "CompleteMultipartUpload": {"s3:PutObject"},
    "CreateMultipartUpload": {"s3:PutObject"},
    "DeleteObject": {"s3:DeleteObject"},
    "GetObject": {"s3:GetObject", "s3:ListBucket"},
    "HeadObject": {"s3:GetObject", "s3:ListBucket"},
    "PutObject": {"s3:PutObject"},
    "UploadPart": {"s3:PutObject"},
}
"""What each call needs; listing is for a 404 where there would be a 403.

Source:
    Amazon S3 user guide, "Required permissions for Amazon S3 API operations".
"""
OF_A_PERSON = {"CreateBucket"}  # in no way that the service goes


def written(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    policy: dict[str, Any] = json.loads(text.replace("BUCKET", BUCKET))
    return policy


def actions() -> set[str]:
    allowed: set[str] = set()
    for statement in written("policy")["Statement"]:
        assert statement["Effect"] == "Allow"
        named = statement["Action"]
        allowed |= {named} if isinstance(named, str) else set(named)
    return allowed


def asked_of_ec2() -> set[str]:
    """Collect what is asked of EC2, by the names that it has for it."""
    source = (ROOT / "jobstore" / "aws.py").read_text(encoding="utf-8")
    asked = set(re.findall(r"\.(describe_\w+)\(", source))
    model = botocore.session.get_session().get_service_model("ec2")
    return {f"ec2:{name}" for name in model.operation_names if xform_name(name) in asked}


def operations_in_the_code() -> set[str]:
    """Collect what is called of the S3 client, by the names that S3 has for it."""
    tree = ast.parse((ROOT / "jobstore" / "objects.py").read_text(encoding="utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "_client"
    }
    model = botocore.session.get_session().get_service_model("s3")
    names = {xform_name(name): name for name in model.operation_names}
    return {names[call] for call in called if call != "generate_presigned_url"}


def test_the_role_may_do_what_the_code_does_and_nothing_else() -> None:
    done = operations_in_the_code() - OF_A_PERSON
    assert done == set(OPERATIONS)
    needed = set().union(*(OPERATIONS[name] for name in done))
    assert actions() == needed | asked_of_ec2()


def test_objects_are_only_touched_where_the_role_may(
    made_stage: Callable[..., Stage], s3: S3Server, ask: Callable[..., Request]
) -> None:
    """A delivery, a reading and a removal against a real server, each call of them recorded."""
    stage = made_stage("deliver", StorageSettings, **s3.env)
    account = Account(read(StorageSettings))
    seen: list[tuple[str, str]] = []

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        seen.append((model.name, params["Key"]))

    account.client.meta.events.register("before-parameter-build.s3", record)
    objects = Objects(BUCKET, account)
    pay = Pay(stage, objects, random.Random(1))
    pay.prepare()
    job = owe(stage.store, stage.settings, stage.host, ask(), b"a whole video")
    assert paid(pay)
    objects.open(job.object_key, 0, 4).close()
    objects.link(job.object_key, "video.mp4")
    assert stage.store.jobs.delete(job.job_id, now_ms())
    assert paid(pay)
    operations = {operation for operation, _ in seen}
    assert operations == {"PutObject", "HeadObject", "GetObject", "DeleteObject"}
    may = written("policy")["Statement"][0]["Resource"].removeprefix(f"arn:aws:s3:::{BUCKET}/")
    assert may.endswith("*")
    assert all(key.startswith(may.removesuffix("*")) for _, key in seen), seen


def test_the_lifecycle_is_taken_by_a_server_and_removes_later_than_we_do(s3: S3Server) -> None:
    rules = written("lifecycle")
    s3.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules)
    kept = s3.client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert kept == rules["Rules"]
    s3.client.delete_bucket_lifecycle(Bucket=BUCKET)
    (days,) = [rule["Expiration"]["Days"] for rule in kept if "Expiration" in rule]
    keep_s = KeepSettings.model_fields["keep_videos_s"].default
    assert days * 86_400 > keep_s
    (cut,) = [rule for rule in kept if "AbortIncompleteMultipartUpload" in rule]
    assert cut["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert all(rule["Filter"] == {"Prefix": "videos/"} for rule in kept)


def test_a_bucket_with_the_policy_is_closed_to_whoever_comes_without_tls(s3: S3Server) -> None:
    """This server heeds the condition, and is spoken to in the clear here."""
    name = "wan22-tls-only"
    s3.client.create_bucket(Bucket=name)
    s3.client.put_object(Bucket=name, Key="videos/before", Body=b"1")
    policy = (FOLDER / "bucket-policy.json").read_text().replace("BUCKET", name)
    s3.client.put_bucket_policy(Bucket=name, Policy=policy)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.client.put_object(Bucket=name, Key="videos/after", Body=b"1")


def test_only_ec2_may_have_the_role() -> None:
    (statement,) = written("trust")["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")


def test_the_files_are_filled_in_as_the_readme_says(tmp_path: Path) -> None:
    script = f"ln -s {ROOT / 'bin'} bin\n{FILL}"
    env = {**os.environ, "BUCKET": "my-videos"}
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=env, check=True)
    made = {file.name: file.read_text() for file in (tmp_path / "aws-wan22").iterdir()}
    assert set(made) == {file.name for file in FOLDER.iterdir()}
    assert not [name for name, text in made.items() if "BUCKET" in text]
    assert "arn:aws:s3:::my-videos/videos/*" in made["policy.json"]


def test_the_commands_of_the_readme_are_those_that_aws_has() -> None:
    """The client itself is not at hand; it makes its commands of these models."""
    session = botocore.session.get_session()
    lines = COMMANDS.splitlines()
    assert len(lines) > 8
    for line in lines:
        _, service, command, *words = line.split()
        model = session.get_service_model(service.replace("s3api", "s3"))
        names = {xform_name(name, "-"): name for name in model.operation_names}
        members = model.operation_model(names[command]).input_shape.members
        known = {f"--{xform_name(member, '-')}" for member in members} | {"--region"}
        assert {word for word in words if word.startswith("--")} <= known, line
