"""What an idle machine will do, and what keeps it awake: two small files in DATA_DIR/work."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from jobstore.files import write_whole

STATE, AWAKE = "idle.json", "awake.json"
FOLLOWED_MS = 300_000  # a look every minute is one that goes on
READABLE = 0o644


class Idleness(BaseModel):
    """Since when nobody needs the machine, as far as was looked (milliseconds since 1970).

    `seen_at` is the last look, `stops_at` when the machine stops unless something happens, and
    `refused` why it does not, although nobody needs it.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    since: int
    seen_at: int
    stops_at: int | None = None
    refused: str | None = None

    def is_followed(self, now: int) -> bool:
        """Tell whether somebody has looked all the time: else nothing is known of what was."""
        return self.since <= self.seen_at <= now < self.seen_at + FOLLOWED_MS


class Awake(BaseModel):
    """Until when somebody holds the machine awake (milliseconds since 1970)."""

    model_config = ConfigDict(frozen=True, strict=True)

    until: int


def read(work: Path) -> Idleness | None:
    """Read what was found at the last look; None if there was none that can be read."""
    try:
        return Idleness.model_validate_json((work / STATE).read_bytes())
    except (OSError, ValidationError):
        return None


def write(work: Path, idleness: Idleness) -> None:
    """Keep what was found at a look, whole or not at all."""
    write_whole(work / STATE, idleness.model_dump_json().encode("ascii"), READABLE)


def awake_until(work: Path, now: int) -> int | None:
    """Tell until when somebody holds the machine awake; None if nobody does."""
    try:
        until = Awake.model_validate_json((work / AWAKE).read_bytes()).until
    except (OSError, ValidationError):
        return None
    return until if until > now else None


def hold_awake(work: Path, until: int) -> None:
    """Hold the machine awake until a moment."""
    write_whole(work / AWAKE, Awake(until=until).model_dump_json().encode("ascii"), READABLE)


def let_sleep(work: Path) -> None:
    """Hold the machine awake no longer."""
    (work / AWAKE).unlink(missing_ok=True)
