"""What was found, for people at a terminal, for files, and for programs."""

import json
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.doctor.finding import Finding, State

Found = list[tuple[str, Finding]]
STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def table(found: Found) -> Table:
    """Draw a table."""
    drawn = Table(box=None, padding=(0, 1), show_header=False)
    for name, finding in found:
        said = Text(finding.found)
        if finding.mend:
            said.append(f"\n-> {finding.mend}", style="bold")
        drawn.add_row(Text(finding.state, style=STYLES[finding.state]), name, said)
    return drawn


def lines(name: str, finding: Finding) -> Iterator[str]:
    """Write a finding in one line, and what mends it in a second."""
    yield f"{finding.state:<4}  {name:<11}  {finding.found}"
    if finding.mend:
        yield f"      {'':<11}  -> {finding.mend}"


def machine_readable(found: Found) -> str:
    """Write all of it as JSON."""
    checks = [
        {"name": name, "state": it.state, "found": it.found, "mend": it.mend} for name, it in found
    ]
    return json.dumps({"healthy": healthy(found), "checks": checks}, indent=2)


def summary(found: Found) -> str:
    """Count what was found."""
    states = Counter(finding.state for _, finding in found)
    return ", ".join(f"{states[state]} {state}" for state in State)


def healthy(found: Found) -> bool:
    """Tell whether nothing has failed."""
    return all(finding.state is not State.FAIL for _, finding in found)


def show(found: Found, console: Console) -> None:
    """Show the table on a terminal."""
    console.print(table(found))
    console.print(summary(found))
