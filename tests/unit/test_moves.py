"""One table draws the state machine: the statements' comments and the schema agree with it."""

import re
from pathlib import Path

import pytest

from jobstore.moves import MOVES, TERMINAL

SQL = Path(__file__).parent.parent.parent / "jobstore" / "sql"
DIALECTS = ("sqlite", "postgresql")


def drawn_in_comments(dialect: str) -> set[tuple[str, str, str]]:
    moves, statement = set(), ""
    files = [SQL / "jobs.sql", SQL / dialect / "claims.sql"]
    script = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for line in script.splitlines():
        if name := re.match(r"-- name: (\w+)", line):
            statement = name[1]
        if move := re.fullmatch(r"-- (\(nothing\)|\w+) -> (\w+)", line):
            moves.add((statement, move[1].strip("()"), move[2]))
    return moves


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_comments_of_the_statements_are_the_table(dialect: str) -> None:
    table = {(move.statement, move.before or "nothing", move.after) for move in MOVES}
    assert drawn_in_comments(dialect) == table


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_schema_allows_exactly_the_table(dialect: str) -> None:
    schema = (SQL / dialect / "migrations" / "0001_jobs.sql").read_text(encoding="utf-8")
    trigger = schema.partition("CREATE TRIGGER jobs_move_legally")[2].partition("CREATE ")[0]
    allowed = set(re.findall(r"'(\w+) -> (\w+)'", trigger))
    assert allowed == {(move.before, move.after) for move in MOVES if move.before}


def test_nothing_leaves_a_terminal_state() -> None:
    assert not [move for move in MOVES if move.before in TERMINAL]
