"""The house keeps its measure: short files, short functions."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PARTS = ("gateway", "jobstore", "runner", "bin/local")
FILE_MAX, FUNCTION_MAX = 300, 50


def sources() -> Iterator[Path]:
    for part in PARTS:
        yield from (ROOT / part).rglob("*.py")


def functions(source: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_a_giant() -> None:
    lengths = {source: len(source.read_text(encoding="utf-8").splitlines()) for source in sources()}
    print(f"figure: files: {len(lengths)}, median {statistics.median(lengths.values()):.0f} lines")
    assert not {str(source): length for source, length in lengths.items() if length > FILE_MAX}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{source.name}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources()
        for node in functions(source)
    }
    print(
        f"figure: functions: {len(lengths)}, median {statistics.median(lengths.values()):.0f} lines"
    )
    assert not {name: length for name, length in lengths.items() if length > FUNCTION_MAX}


def test_the_tests_are_held_to_the_same_length() -> None:
    giants = [
        test.name
        for test in (ROOT / "tests").rglob("*.py")
        if len(test.read_text(encoding="utf-8").splitlines()) > FILE_MAX
    ]
    assert not giants


def test_nothing_else_stands_at_the_top() -> None:
    """Seen by git, so that what a person keeps beside it does not matter."""
    house = {"gateway", "jobstore", "runner", "bin", "tests"}
    papers = {"setup.cfg", "README.md", "pyproject.toml", "requirements.txt", "CHANGELOG.md"}
    ours = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".")}
    assert house | papers | {"LICENSE"} <= ours
