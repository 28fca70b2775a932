"""How much of the disk stays free: two marks, below which less and less is begun."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Bytes = Annotated[int, Field(ge=0)]


class Marks(BaseSettings):
    """The marks of the disk that `DATA_DIR` lies on."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    disk_low_bytes: Bytes = Field(
        4_000_000_000, description="below so much free disk no render begins"
    )
    disk_full_bytes: Bytes = Field(
        2_000_000_000, description="below so much free disk nothing new is taken in"
    )

    @field_validator("disk_full_bytes")
    @classmethod
    def _is_the_lower_one(cls, disk_full_bytes: int, info: ValidationInfo) -> int:
        if disk_full_bytes > info.data.get("disk_low_bytes", disk_full_bytes):
            message = "is at most DISK_LOW_BYTES: renders stop first, then nothing is taken in"
            raise ValueError(message)
        return disk_full_bytes
