"""Every condition of the statements that write, and the same statements without one of them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import aiosql

from jobstore.database import SQL

ADAPTERS = {"sqlite": "sqlite3", "postgresql": "psycopg"}
ENDS = re.compile(r"\s*(\)|;|ON CONFLICT\b|RETURNING\b|ORDER BY\b|LIMIT\b)")
WHERE, AND = (re.compile(rf"\b{word}\b") for word in ("WHERE", "AND"))


class Mutant(NamedTuple):
    """A statement without one of its conditions."""

    statement: str
    term: str
    without: str

    def __str__(self) -> str:
        return f"{self.statement}: {self.term}"


def statements(dialect: str) -> Iterator[tuple[str, str]]:
    """Read every statement of the moves, with its name; comments are left out."""
    for path in ("jobs.sql", "outbox.sql", "drains.sql", f"{dialect}/claims.sql"):
        text = (SQL / path).read_text(encoding="utf-8")
        for part in re.split(r"^(?=-- name: )", text, flags=re.MULTILINE)[1:]:
            head, _, body = part.partition("\n")
            head = re.sub(r"\(.*\)", "", head)  # what it takes may be less without a condition
            code = "\n".join(line for line in body.splitlines() if not line.startswith("--"))
            yield head, code


def terms(code: str) -> Iterator[tuple[int, int]]:
    """Find where each condition stands: those of every WHERE, also inside of others."""
    for where in WHERE.finditer(code):
        start, depth, place = where.end(), 0, where.end()
        while place < len(code):
            if depth == 0 and (AND.match(code, place) or ENDS.match(code, place)):
                yield start, place
                if not AND.match(code, place):
                    break
                place += len("AND")
                start = place
            depth += {"(": 1, ")": -1}.get(code[place], 0)
            place += 1


def mutants(dialect: str) -> list[Mutant]:
    """Make every statement without each one of its conditions."""
    made = []
    for head, code in statements(dialect):
        name = head.removeprefix("-- name: ").rstrip("^!")
        for start, end in terms(code):
            for term, instead in dropped(" ".join(code[start:end].split())):
                made.append(Mutant(name, term, f"{head}\n{code[:start]} {instead} {code[end:]}"))
    return made


def dropped(term: str) -> Iterator[tuple[str, str]]:
    """Drop a condition, and also each side of one that has two."""
    yield term, "1 = 1"
    one, _, other = term.strip("()").partition(" OR ")
    if other:
        yield one, other
        yield other, one


def query(mutant: Mutant, dialect: str) -> object:
    """Load a mutated statement; the others stay as they are."""
    return getattr(
        aiosql.from_str(mutant.without, ADAPTERS[dialect], mandatory_parameters=False),
        mutant.statement,
    )
