"""The EC2 instance that this machine is, if it is one."""

import httpx2

from jobstore import settings
from jobstore.aws import Account
from jobstore.errors import ObjectsRefused, ObjectsUnavailable
from jobstore.instance import ENDPOINT, PATIENCE_S
from jobstore.settings import StorageSettings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

WANTED = "g5.xlarge"
ON_EC2 = "Amazon EC2"


def instance(machine: Machine) -> Finding:
    """Look at its metadata: they are to be asked with a token alone, and its region is S3's."""
    kind = machine.told("instance-type")
    if kind is None:
        return absent(machine)
    region = machine.told("placement/region") or "an unknown region"
    found = f"{kind} in {region}"
    if answers_without_token(machine):
        return warn(
            f"{found}; its metadata, with the role's keys, are told without a token (version 1)",
            f"aws ec2 modify-instance-metadata-options --instance-id {machine.told('instance-id')}"
            " --http-tokens required --http-put-response-hop-limit 1",
        )
    wanted = settings.read(StorageSettings).s3_region
    if wanted not in {None, region}:
        return warn(
            f"{found}, and the bucket in {wanted}: slower, and each GB is charged",
            f"use a bucket in {region}",
        )
    return ok(f"{found}; metadata need a token")


def absent(machine: Machine) -> Finding:
    """Tell a machine that is no instance from one that may not ask."""
    vendor = machine.root / "sys" / "class" / "dmi" / "id" / "sys_vendor"
    if vendor.exists() and ON_EC2 in vendor.read_text(encoding="utf-8"):
        return warn(
            "this is an EC2 instance, and its metadata service does not answer",
            "aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id ID",
        )
    return ok("no EC2 instance")


def answers_without_token(machine: Machine) -> bool:
    """Tell whether version 1 is still answered, which a server that is tricked can be asked by."""
    base = machine.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ENDPOINT
    url = f"{base.rstrip('/')}/latest/meta-data/instance-type"
    return httpx2.get(url, timeout=PATIENCE_S, trust_env=False).is_success


def offered(machine: Machine) -> Finding:
    """Ask EC2 whether the region has the machine that the 5B wants."""
    given = settings.read(StorageSettings)
    region = machine.told("placement/region") or given.s3_region
    if region is None or given.s3_endpoint_url:
        return ok("no region of AWS to ask")
    kind = machine.told("instance-type") or WANTED
    try:
        offers = Account(given).offers(kind, region)
    except (ObjectsRefused, ObjectsUnavailable) as error:
        return warn(f"EC2 in {region} could not be asked: {error}", "look at the checks of S3")
    if offers is None:
        return warn(
            f"we may not ask whether {region} offers {kind}",
            "none is needed; or allow ec2:DescribeInstanceTypeOfferings (bin/aws/policy.json)",
        )
    if not offers:
        return fail(
            f"{region} does not offer {kind}",
            "take another region: aws ec2 describe-instance-type-offerings --filters"
            f" Name=instance-type,Values={kind} --region us-east-1",
        )
    return ok(f"{region} offers {kind}")
