"""Nothing that is fetched for a stranger arrives where it must not, however that is spelled.

Tried in a network in which every address is this machine's, by a server that sees everybody who
comes, and the address he came for. It does see them: without the guard, they come.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spellings import GOOD, PUBLIC

MADE = Path(__file__).parent.parent / "made"
NET = ["unshare", "--map-root-user", "--net"]
PUBLIC_ARRIVAL = [PUBLIC, 443]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What that server tells of all spellings."""
    may = subprocess.run([*NET, "true"], capture_output=True, text=True, check=False)
    assert may.returncode == 0, (
        f"this test makes a network that only it can see, which is refused: {may.stderr.strip()};"
        " run it as root, or allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )
    path = os.pathsep.join([str(MADE), str(MADE.parent.parent)])
    run = subprocess.run(
        [*NET, sys.executable, "-m", "whole_world"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_no_spelling_arrives(told: dict[str, Any]) -> None:
    assert {each["url"]: each["directly"] for each in told["spellings"] if each["directly"]} == {}
    assert [each["url"] for each in told["spellings"] if each["reason"] is None] == []


def test_no_redirect_arrives_but_where_it_came_from(told: dict[str, Any]) -> None:
    """A target that is relative leads there again."""
    for each in told["spellings"]:
        assert all(arrival == PUBLIC_ARRIVAL for arrival in each["redirected"]), each
    redirected = [each["url"] for each in told["spellings"] if each["redirected"]]
    assert len(redirected) >= len(told["spellings"]) - 1, "all but the one that is too long"


def test_the_check_of_addresses_holds_alone(told: dict[str, Any]) -> None:
    """Whatever a program makes of a URL: it is the address that is connected to which counts."""
    for each in told["spellings"]:
        assert all(address == PUBLIC for address, _ in each["by address"]), each


def test_without_the_guard_they_arrive(told: dict[str, Any]) -> None:
    """So that nobody who came was overlooked."""
    arrived = [
        each["url"]
        for each in told["spellings"]
        if any(arrival != PUBLIC_ARRIVAL for arrival in each["carelessly"])
    ]
    print(f"figure: {len(told['spellings'])} spellings, {len(arrived)} arrive without the guard")
    assert len(arrived) >= 120
    assert {"https://127.1/", "https://[::1]/", "https://0.0.0.0/"} <= set(arrived)


def test_what_is_public_is_fetched(told: dict[str, Any]) -> None:
    """A name with addresses of both families is met at that of IPv4."""
    for url, (whole, arrivals) in told["good"].items():
        assert whole, url
        assert arrivals == [[PUBLIC, 80 if url.startswith("http:") else 443]]


def test_a_name_means_what_it_meant_when_it_was_checked(told: dict[str, Any]) -> None:
    rebound = told["rebound"]
    assert (rebound["reason"], rebound["asked"]) == (None, [GOOD]), "it was asked for once"
    assert rebound["arrived"] == [PUBLIC_ARRIVAL]
    assert rebound["carelessly"] == [["127.0.0.1", 443]], "others would have been led astray"


def test_a_name_is_checked_again_for_every_redirect(told: dict[str, Any]) -> None:
    assert told["rebound"]["reason then"] == "address"
    assert told["rebound"]["arrived then"] == [PUBLIC_ARRIVAL]
