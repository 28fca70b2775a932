"""The settings, read once from the environment; every fault is reported, all together."""

import errno
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar, cast

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from jobstore.abilities import DESCRIPTION, Abilities
from jobstore.errors import SettingsWrong
from jobstore.marks import Marks

EMBEDDED_MODEL = Path(__file__).parent.parent / "runner" / "pocket" / "checkpoint"
PUBLISHED_MODEL = "Wan2.2-TI2V-5B"
SQLITE, POSTGRESQL = "sqlite:///", "postgresql://"
NATIVE = "native"
ATTENTIONS = (
    *(NATIVE, "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "flex"),
    *("flash", "flash_varlen", "_flash_3", "_flash_varlen_3", "xformers", "sage", "sage_varlen"),
    *("_sage_qk_int8_pv_fp16_cuda", "_sage_qk_int8_pv_fp16_triton", "_sage_qk_int8_pv_fp8_cuda"),
)
"""Ways to compute attention, as diffusers calls them; none that fetches code while it runs."""
HEARTBEATS_PER_LEASE = 3  # so that one or two missed heartbeats do not lose a lease

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(Marks):
    """What every process needs to know."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    data_dir: Path = Field(Path("/data"), description="where everything that lasts is kept")
    database_url: str = Field("", description="the job store; sqlite:///DATA_DIR/jobs.db if unset")
    lease_s: Seconds = Field(60, ge=3, description="how long a claim lasts without a heartbeat")
    heartbeat_s: Seconds = Field(15, ge=0.5, description="how often a claim is renewed")
    poll_s: Seconds = Field(5, ge=0.1, description="how often to look for work no wake-up told of")

    @field_validator("data_dir")
    @classmethod
    def _can_be_written(cls, data_dir: Path) -> Path:
        try:
            (data_dir / "work").mkdir(parents=True, exist_ok=True)
            if not os.access(data_dir / "work", os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            which = "" if os.environ.get("DATA_DIR") else "is not set, and "
            message = (
                f"{which}{data_dir} cannot be written ({error.strerror}); make it, or name another"
            )
            raise ValueError(message) from error
        return data_dir.resolve()

    @field_validator("database_url")
    @classmethod
    def _is_known(cls, database_url: str) -> str:
        if database_url and not database_url.startswith((f"{SQLITE}/", POSTGRESQL)):
            message = f"starts with {SQLITE} and the whole path of a file, or with {POSTGRESQL}"
            raise ValueError(message)
        return database_url

    @field_validator("heartbeat_s")
    @classmethod
    def _fits_into_the_lease(cls, heartbeat_s: float, info: ValidationInfo) -> float:
        lease_s = info.data.get("lease_s", math.inf)
        if heartbeat_s * HEARTBEATS_PER_LEASE > lease_s:
            message = (
                f"is at most LEASE_S / {HEARTBEATS_PER_LEASE}, so that a missed one is no loss"
            )
            raise ValueError(message)
        return heartbeat_s

    @property
    def store_url(self) -> str:
        """The URL of the job store."""
        return self.database_url or f"{SQLITE}{self.data_dir / 'jobs.db'}"

    @property
    def checkpoint(self) -> Path:
        """Where the published weights are brought to, and are looked for."""
        return self.data_dir / PUBLISHED_MODEL

    @property
    def inputs(self) -> Path:
        """Where job files are dropped."""
        return self.data_dir / "inputs"

    @property
    def images(self) -> Path:
        """Where the pictures of accepted jobs lie."""
        return self.inputs / "images"

    @property
    def outputs(self) -> Path:
        """Where whole videos lie until they are delivered, and after it."""
        return self.data_dir / "outputs"

    @property
    def work(self) -> Path:
        """Where unfinished files and the locks of owners lie."""
        return self.data_dir / "work"

    @property
    def embeddings(self) -> Path:
        """Where embeddings of texts are kept; may be emptied at any time."""
        return self.work / "embeddings"

    @property
    def wake(self) -> Path:
        """Where processes wake each other."""
        return self.work / "wake"


class ModelSettings(Settings):
    """What a process needs besides that has to know the model."""

    model_dir: Path | None = Field(
        None,
        validate_default=True,
        description="the checkpoint; DATA_DIR/Wan2.2-TI2V-5B if unset; `pocket`: the embedded one",
    )
    stall_s: Seconds = Field(
        600, description="render: how long a render may go without a step before the process ends"
    )
    deadline_s: Seconds = Field(
        7200, description="render: how long a job may be rendered, in all its claims together"
    )
    checkpoint_every_step: bool = Field(
        default=False, description="render: wait after each step until it is on the disk"
    )
    attention: str = Field(
        NATIVE, description="render: what computes attention; unmeasured, needs its own package"
    )
    compile: bool = Field(
        default=False, description="render: let torch compile the blocks; unmeasured, needs gcc"
    )

    @field_validator("attention")
    @classmethod
    def _is_a_way(cls, attention: str) -> str:
        if attention not in ATTENTIONS:
            message = f"is one of {', '.join(ATTENTIONS)}"
            raise ValueError(message)
        return attention

    @field_validator("model_dir")
    @classmethod
    def _holds_a_model(cls, model_dir: Path | None, info: ValidationInfo) -> Path:
        if model_dir is None:
            model_dir = info.data.get("data_dir", Path("/data")) / PUBLISHED_MODEL
        if model_dir == Path("pocket"):
            model_dir = EMBEDDED_MODEL
        try:
            Abilities.read(model_dir)
        except (OSError, ValueError) as error:
            message = (
                f"{model_dir} has no readable {DESCRIPTION} ({said(error)}); name a checkpoint that"
                f" has one, or `pocket`, or bring the published one here:"
                f" bin/setup --weights {model_dir}"
            )
            raise ValueError(message) from error
        return model_dir

    @property
    def model(self) -> Path:
        """The folder of the checkpoint."""
        return cast("Path", self.model_dir)

    def abilities(self) -> Abilities:
        """Read what the model can do."""
        return Abilities.read(self.model)


class StorageSettings(Settings):
    """What a process that talks to the object storage needs besides."""

    s3_bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="where videos are delivered to; unset: they stay on this machine's disk",
    )
    s3_region: str | None = Field(
        None,
        validate_default=True,
        pattern=r"^[a-z0-9-]{1,40}$",
        description="the region of the bucket",
    )
    s3_endpoint_url: str | None = Field(None, description="another S3 server than that of AWS")
    aws_access_key_id: SecretStr | None = Field(
        None, description="unset: the role of the instance, as boto3 finds it"
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, validate_default=True, description="belongs to AWS_ACCESS_KEY_ID"
    )

    aws_session_token: SecretStr | None = Field(
        None, description="with temporary credentials, beside the two above"
    )

    @field_validator("s3_region")
    @classmethod
    def _comes_with_its_bucket(cls, region: str | None, info: ValidationInfo) -> str | None:
        if region is None and info.data.get("s3_bucket") is not None:
            message = "is not set, and S3_BUCKET is"
            raise ValueError(message)
        return region

    @field_validator("s3_endpoint_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^/?#\s@]+/?", url):
            message = "is http:// or https:// and a host, with a port if need be"
            raise ValueError(message)
        return url

    @field_validator("aws_secret_access_key")
    @classmethod
    def _comes_with_its_id(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("aws_access_key_id") is None):
            message = "is set together with AWS_ACCESS_KEY_ID, or neither of them"
            raise ValueError(message)
        return secret


AnySettings = TypeVar("AnySettings", bound=Settings)


def read(kind: type[AnySettings]) -> AnySettings:
    """Read the settings of one process from the environment.

    Raises:
        SettingsWrong: with one line for every fault, none left out.
    """
    try:
        return kind()
    except ValidationError as error:
        faults = [f"{str(fault['loc'][0]).upper()} {reason(fault)}" for fault in error.errors()]
        raise SettingsWrong(faults) from error


def reason(fault: Mapping[str, object]) -> str:
    """Say how a setting would be right; never what it was set to, which may be a secret."""
    if fault["type"] == "missing":
        return "is not set"
    if fault["type"] == "string_pattern_mismatch":
        return "is not one: it has characters that none has"
    said = str(fault["msg"])
    if fault["type"] == "value_error":
        return said.removeprefix("Value error, ")
    return said.removeprefix("Input ").partition(",")[0]


def said(error: OSError | ValueError) -> str:
    """Shorten an error to one line."""
    return (getattr(error, "strerror", None) or str(error)).replace("\n", "; ")
