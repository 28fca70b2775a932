"""The README says what is true: events, settings and error codes are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.metrics import CARD
from gateway.problems import STATUSES
from gateway.settings import GatewaySettings
from local.doctor.table import CHECKS
from runner.idle.settings import IdleSettings

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = GatewaySettings.model_fields | IdleSettings.model_fields
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def section(title: str) -> str:
    """Cut out one section of the README, with those below it."""
    depth, _, _ = title.partition(" ")
    text = README.partition(f"\n{title}\n")[2]
    assert text, title
    return re.split(rf"\n#{{1,{len(depth)}}} ", text)[0]


def first_cells(text: str) -> Iterator[list[str]]:
    """List the names, set as code, in the first cell of each row of a table."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield re.findall(r"`([^`]+)`", line.split("|")[1])


def logged_events() -> set[str]:
    """Collect the events from the code's own calls of `log`; every one is a literal."""
    events = {"library.spoke"}
    for part in ("gateway", "jobstore", "runner"):
        for source in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                target = node.func.value
                if node.func.attr in LEVELS and isinstance(target, ast.Name) and target.id == "log":
                    assert isinstance(node.args[0], ast.Constant), f"{source}:{node.lineno}"
                    events.add(str(node.args[0].value))
    return events


def test_every_event_is_in_the_readme_and_the_reverse() -> None:
    told = {name for cells in first_cells(section("## Logs")) for name in cells}
    assert told == logged_events()


def test_events_are_named_alike() -> None:
    assert not [name for name in logged_events() if not re.fullmatch(r"[a-z]+\.[a-z]+", name)]


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    told = {
        line.split("|")[1].strip(" `"): line.split("|")[2].strip(" `")
        for line in section("## Settings").splitlines()
        if line.startswith("| `")
    }
    assert set(told) == {name.upper() for name in SETTINGS}
    for name, default in told.items():
        field = SETTINGS[name.lower()]
        if isinstance(field.default, float | int):
            assert str(field.default) == default, name
        if field.is_required():
            assert default == "", name


def test_every_error_code_is_in_the_readme_with_its_status() -> None:
    rows = [line.split("|") for line in section("### When it says no").splitlines()]
    told = {row[1].strip(" `"): int(row[2]) for row in rows if len(row) > 4 and "`" in row[1]}
    assert told == {code: status.value for code, status in STATUSES.items()}


def test_every_check_of_the_doctor_is_in_the_readme_in_its_order() -> None:
    told = [
        name
        for cells in first_cells(section("## What is wrong, and what mends it"))
        for name in cells
    ]
    assert told == [check.name for check in CHECKS]


def shown_metrics() -> set[str]:
    """Collect the metrics from the code that shows them; a counter is shown as a total."""
    source = (ROOT / "gateway" / "metrics.py").read_text(encoding="utf-8")
    names = {f"wan22_gpu_{name}" for name in CARD}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            counts = isinstance(node.func, ast.Name) and node.func.id == "CounterMetricFamily"
            names |= {f"{name}_total" if counts else name} if name.startswith("wan22_") else set()
    return names


def test_every_metric_is_in_the_readme_and_the_reverse() -> None:
    told = {name for cells in first_cells(section("### Figures for Prometheus")) for name in cells}
    assert told == shown_metrics()


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = "\n".join(README.splitlines()[:15])
    assert '    bin/demo "a red circle moves right"\n' in opening
    assert "    bin/test\n" in opening
