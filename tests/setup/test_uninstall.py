"""What was installed is removed; what the service kept stays, unless its owner wants it gone."""

import os
import subprocess
from pathlib import Path

import pytest

import set_up
from set_up import CHECKOUT, Done, run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    set_up.with_our_release(root)
    assert run("setup", root, "--no-weights").returncode == 0
    (root / "data" / "mine").touch()
    return root


def left(root: Path) -> set[str]:
    """List the files that are left, by where they are."""
    found = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(root)) for path in found}


def test_what_was_installed_is_removed_and_the_data_stay(root: Path) -> None:
    done = run("uninstall", root)
    assert done.returncode == 0, done.stderr
    tls = {f"data/tls/{name}" for name in ("authority.pem", "authority.key")}
    tls |= {f"data/tls/{name}" for name in ("gateway.pem", "gateway.key")}
    assert left(root) - {"data/work/machine"} == {"data/.env", "data/mine", *tls}
    assert (CHECKOUT / "bin" / "uninstall").exists()
    assert run("uninstall", root).returncode == 0


def test_set_up_again_it_takes_the_data_up(root: Path) -> None:
    before = set_up.settings(root)
    run("uninstall", root)
    set_up.with_our_release(root)
    assert run("setup", root, "--no-weights").returncode == 0
    assert set_up.settings(root) == before


def asked(root: Path, answer: str) -> Done:
    command = [str(CHECKOUT / "bin" / "uninstall"), "--root", str(root), "--data"]
    return subprocess.run(
        command, input=answer, env=os.environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("answer", ["", "yes\n", "no\n"])
def test_the_data_go_only_when_the_word_is_typed(root: Path, answer: str) -> None:
    before = set_up.listing(root)
    done = asked(root, answer)
    assert (done.returncode, "Nothing was removed." in done.stderr) == (1, True)
    assert set_up.listing(root) == before


def test_with_the_word_all_goes_but_what_is_not_ours(root: Path) -> None:
    done = asked(root, "remove\n")
    assert done.returncode == 0, done.stderr
    assert left(root) == {"data/mine"}
    assert "there is something else in it" in done.stderr
    (root / "data" / "mine").unlink()
    assert run("uninstall", root, "--data", "--yes").returncode == 0
    assert not (root / "data").exists()
