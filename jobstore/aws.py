"""How to reach the object storage, and as whom; the only file that knows boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import InstanceMetadataProvider
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

from jobstore.errors import ObjectsRefused, ObjectsUnavailable
from jobstore.settings import StorageSettings

PATIENCE_S = 10  # with a storage that does not answer; a piece of a file, too, is to go out in it
BRIEF = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
NO_WINDOW_S = -600  # with the ten minutes that may be added, nothing
ROLE = "iam-role"
HTTP_FORBIDDEN = 403
Refusal = ClientError
REFUSALS = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidToken",
        "NoSuchBucket",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class Account:
    """Who asks the storage: the keys in the settings, or the role of the instance."""

    def __init__(self, settings: StorageSettings) -> None:
        """Keep the settings; nothing connects yet."""
        self._settings = settings

    @cached_property
    def client(self) -> Any:  # boto3 makes its classes at run time
        """What speaks to the storage: a server of one's own by path, AWS by host name.

        Source:
            boto3 signs links with Signature Version 2 unless told otherwise (botocore
            `_default_s3_presign_to_sigv2`), and newer regions refuse the global endpoint.
        """
        own_server = self._settings.s3_endpoint_url is not None
        return self._session.client(
            "s3",
            region_name=self._settings.s3_region,
            endpoint_url=self._settings.s3_endpoint_url,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if own_server else "virtual"},
                connect_timeout=PATIENCE_S,
                read_timeout=PATIENCE_S,
                retries={"mode": "standard", "total_max_attempts": 2},
                request_checksum_calculation="when_supported",
            ),
        )

    def credentials_end_at(self) -> int | None:
        """Tell when the credentials end, milliseconds since 1970; None if they do not.

        Source:
            botocore.credentials.RefreshableCredentials, which a role's are, keeps their end to
            itself; it asks for new ones 10 to 15 minutes before, when something is signed.
        """
        ends = getattr(self._session.get_credentials(), "_expiry_time", None)
        return int(ends.timestamp() * 1000) if isinstance(ends, datetime) else None

    def shutdown_behavior(self, instance_id: str, region: str) -> str | None:
        """Ask what becomes of an instance that powers itself off: `stop` or `terminate`.

        None if that cannot be learnt: mostly since the role may not ask.
        """
        try:
            client = self._session.client("ec2", region_name=region, config=BRIEF)
            asked = {"InstanceId": instance_id, "Attribute": "instanceInitiatedShutdownBehavior"}
            answer = client.describe_instance_attribute(**asked)
            return str(answer["InstanceInitiatedShutdownBehavior"]["Value"])
        except (BotoCoreError, ClientError, KeyError):
            return None

    def credentials_from(self) -> str | None:
        """Tell where the credentials come from, as botocore calls it; None: there are none.

        Raises:
            ObjectsUnavailable: whoever has them does not answer.
        """
        with as_our_errors():
            found = self._session.get_credentials()
        return str(found.method) if found else None

    def offers(self, machine_type: str, region: str) -> bool | None:
        """Tell whether a region has machines of a type; None: we may not ask.

        Raises:
            ObjectsUnavailable: EC2 cannot be reached or is busy.
            ObjectsRefused: there are no credentials.
        """
        config = Config(
            connect_timeout=PATIENCE_S,
            read_timeout=PATIENCE_S,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        client = self._session.client("ec2", region_name=region, config=config)
        wanted = [{"Name": "instance-type", "Values": [machine_type]}]
        with as_our_errors():
            try:
                answer = client.describe_instance_type_offerings(Filters=wanted)
            except Refusal as error:
                if status_of(error) == HTTP_FORBIDDEN:
                    return None
                raise
        return bool(answer["InstanceTypeOfferings"])

    @cached_property
    def _session(self) -> Any:
        core = botocore.session.Session()
        tell_true_ends(core)
        secrets = {
            name: value.get_secret_value() if value else None
            for name, value in (
                ("aws_access_key_id", self._settings.aws_access_key_id),
                ("aws_secret_access_key", self._settings.aws_secret_access_key),
                ("aws_session_token", self._settings.aws_session_token),
            )
        }
        return boto3.Session(botocore_session=core, **secrets)


def tell_true_ends(core: Any) -> None:
    """Let a session take the end of a role's credentials as the metadata service tells it.

    Source:
        botocore puts that end off by itself when less than `ec2_credential_refresh_window` and 2 to
        10 minutes more are left (botocore.utils.InstanceMetadataFetcher): a link would promise more
        than it keeps. The window is no setting of a session.
    """
    names = ("ec2_metadata_service_endpoint", "ec2_metadata_v1_disabled")
    fetcher = InstanceMetadataFetcher(
        timeout=core.get_config_variable("metadata_service_timeout"),
        num_attempts=core.get_config_variable("metadata_service_num_attempts"),
        user_agent=core.user_agent(),
        config={
            **{name: core.get_config_variable(name) for name in names},
            "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(core),
            "ec2_credential_refresh_window": NO_WINDOW_S,
        },
    )
    chain = core.get_component("credential_provider")
    chain.insert_before(ROLE, InstanceMetadataProvider(iam_role_fetcher=fetcher))


def status_of(error: ClientError) -> int:
    """Tell the HTTP status of a refusal."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def as_our_errors() -> Iterator[None]:
    """Turn boto3's errors into ours, by who can do something about them."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        kind = ObjectsRefused if code in REFUSALS else ObjectsUnavailable
        raise kind(str(error)) from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise ObjectsRefused(str(error)) from error
    except BotoCoreError as error:
        raise ObjectsUnavailable(str(error)) from error
