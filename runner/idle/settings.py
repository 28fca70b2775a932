"""What the look for idleness has to know."""

import shlex

from pydantic import Field, field_validator

from jobstore.settings import Seconds, StorageSettings
from jobstore.webhooks import WebhookSettings
from runner.idle.dangers import DANGERS

POWER_OFF = "systemctl poweroff"


class IdleSettings(WebhookSettings, StorageSettings):
    """When an idle machine is stopped, and how; whom that is told, and as whom AWS is asked."""

    idle_stop_s: float | None = Field(
        None, ge=300, description="how long nobody needs the machine before it stops; unset: never"
    )
    idle_warn_s: Seconds = Field(60, description="how long before that it is told")
    idle_command: str = Field(POWER_OFF, description="what stops the machine; no shell is asked")
    idle_allow: str = Field("", description="where it is stopped all the same, in words")

    @field_validator("idle_command")
    @classmethod
    def _can_be_run(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError:
            words = []
        if not words:
            message = "is a program and what it is given, quoted as for a shell"
            raise ValueError(message)
        return command

    @field_validator("idle_allow")
    @classmethod
    def _is_said_in_words(cls, allowed: str) -> str:
        if not set(allowed.split(",")) <= {"", *DANGERS}:
            message = f"is {', '.join(DANGERS)}, or some of them with a comma between"
            raise ValueError(message)
        return allowed
