"""The state machine, as a table: every move a job can make, and nothing else.

The statements in `sql/` name their move in the comment above them, and the schema refuses all
others; tests hold both to this table.
"""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a job stands; `rendered` is shown to callers as `processing`, phase `uploading`."""

    QUEUED = "queued"
    PROCESSING = "processing"
    RENDERED = "rendered"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Move(NamedTuple):
    """One legal change of state, and the statement that makes it."""

    statement: str
    before: State | None
    after: State


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
AT_AN_END = ("changes", "outbox")
"""The topics that a move wakes which may end a job: who waits for it, and who has to tell of it."""

MOVES = (
    Move("accept_job", None, State.QUEUED),
    Move("repeat_job", None, State.QUEUED),
    Move("claim_job", State.QUEUED, State.PROCESSING),
    Move("finish_job", State.PROCESSING, State.RENDERED),
    Move("release_job", State.PROCESSING, State.QUEUED),
    Move("release_job", State.PROCESSING, State.CANCELLED),
    Move("rescue_job", State.PROCESSING, State.QUEUED),
    Move("rescue_job", State.PROCESSING, State.FAILED),
    Move("rescue_job", State.PROCESSING, State.CANCELLED),
    Move("postpone_job", State.PROCESSING, State.QUEUED),
    Move("fail_job", State.PROCESSING, State.FAILED),
    Move("cancel_job", State.QUEUED, State.CANCELLED),
    Move("stop_job", State.PROCESSING, State.CANCELLED),
    Move("complete_job", State.RENDERED, State.COMPLETED),
    Move("lose_job", State.RENDERED, State.FAILED),
)
