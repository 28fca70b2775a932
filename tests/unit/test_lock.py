"""What is installed is what the lock says, and torch only where videos are rendered."""

import re
from importlib import metadata
from pathlib import Path

import pytest

LOCK = Path(__file__).parent.parent.parent / "requirements.txt"
OURS = {"wan22"}


def plain(name: str) -> str:
    """Write a distribution's name as all its spellings agree on (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    lines = [line for line in LOCK.read_text().splitlines() if "==" in line]
    return {plain(name): version for name, _, version in (line.partition("==") for line in lines)}


def needs(distribution: str, extra: str = "") -> set[tuple[str, str]]:
    """List what a distribution, or one of its extras, asks for: names with their own extras."""
    found = set()
    for requirement in metadata.requires(distribution) or []:
        asked, _, condition = requirement.partition(";")
        found_name = re.match(r"([\w.-]+)(?:\[([^]]*)])?", asked.strip())
        assert found_name, requirement
        name, extras = found_name.groups()
        wanted = re.search(r"""extra == ["']([\w-]+)["']""", condition)
        if wanted and wanted[1] != extra:
            continue
        found |= {(plain(name), "")}
        found |= {(plain(name), further.strip()) for further in (extras or "").split(",")}
    return found


def closure(distribution: str, extra: str) -> set[str]:
    """Follow an extra to all that an installation with it brings, as far as it is here."""
    known: set[tuple[str, str]] = set()
    ahead = needs(distribution) | needs(distribution, extra)
    while ahead:
        known |= ahead
        further = set()
        for name, its_extra in ahead:
            try:
                further |= needs(name) | needs(name, its_extra)
            except metadata.PackageNotFoundError:
                continue  # for another platform
        ahead = further - known
    return {name for name, _ in known}


def test_every_installed_version_is_the_locked_one() -> None:
    lock = locked()
    strays = {
        name: version
        for name, version in (
            (plain(found.name), found.version.partition("+")[0])
            for found in metadata.distributions()
        )
        if name not in OURS and lock.get(name) != version
    }
    assert not strays


@pytest.mark.parametrize("extra", ["client", "gateway", "deliver"])
def test_torch_comes_with_the_renderer_only(extra: str) -> None:
    assert not closure("wan22", extra) & {"torch", "diffusers", "transformers"}
    assert {"torch", "diffusers", "transformers"} <= closure("wan22", "render")
    assert {"pydantic", "pysqlite3"} <= closure("wan22", extra)
