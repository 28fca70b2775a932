"""The authority is made once; the leaf is issued when it has to be, and for no other names."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gateway.authority import AddressWrong, AuthorityUnfit, Files, Issued, issue
from gateway.certificates import DAY, leaf_of, named, pem_of, read_certificates, read_own_key

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


def made(files: Files, *addresses: str, now: datetime = NOW) -> Issued:
    return issue(files, addresses, "here", now)


def contents(files: Files) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files.folder.iterdir()}


def test_keys_are_for_nobody_else(files: Files) -> None:
    made(files, "gpu.example.com")
    modes = {file.name: file.stat().st_mode & 0o777 for file in files.folder.iterdir()}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {
        "authority.pem": 0o644,
        "gateway.pem": 0o644,
    }
    assert set(modes) == {"authority.pem", "authority.key", "gateway.pem", "gateway.key"}


def test_what_is_asked_for_again_stays_as_it_is(files: Files) -> None:
    first = made(files, "gpu.example.com", "203.0.113.7")
    before = contents(files)
    again = made(files, "203.0.113.7", "GPU.example.com.", now=NOW + 300 * DAY)
    assert contents(files) == before
    assert (first.new_authority, first.new_leaf) == (True, True)
    assert (again.new_authority, again.new_leaf) == (False, False)


def test_another_address_makes_another_leaf_of_the_same_authority(files: Files) -> None:
    made(files, "203.0.113.7")
    before = contents(files)
    issued = made(files, "203.0.113.8")
    changed = {name for name, content in contents(files).items() if content != before[name]}
    assert changed == {"gateway.pem"}
    assert named("203.0.113.8") in names_in(issued)
    assert named("203.0.113.7") not in names_in(issued)


def names_in(issued: Issued) -> set[x509.GeneralName]:
    extensions = issued.leaf.extensions
    return set(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def test_a_leaf_near_its_end_is_issued_anew(files: Files) -> None:
    first = made(files, "203.0.113.7")
    ends_at = first.leaf.not_valid_after_utc
    assert not made(files, "203.0.113.7", now=ends_at - 31 * DAY).new_leaf
    renewed = made(files, "203.0.113.7", now=ends_at - 29 * DAY)
    assert renewed.leaf.not_valid_after_utc > ends_at + 300 * DAY
    assert not renewed.new_authority


def test_a_leaf_lasts_at_most_397_days_and_began_yesterday(files: Files) -> None:
    leaf = made(files, "203.0.113.7").leaf
    assert leaf.not_valid_before_utc == NOW - DAY
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == 397 * DAY


def test_a_leaf_never_outlives_its_authority(files: Files) -> None:
    ends_at = made(files, "a").authority.not_valid_after_utc
    late = made(files, "a", now=ends_at - 100 * DAY)
    assert late.leaf.not_valid_after_utc == ends_at


@pytest.mark.parametrize("broken", ["gateway.pem", "gateway.key"])
def test_a_broken_leaf_or_a_lost_key_is_made_anew(files: Files, broken: str) -> None:
    made(files, "a")
    (files.folder / broken).unlink()
    assert made(files, "a").new_leaf
    assert not made(files, "a").new_leaf
    files.cert.write_bytes(b"cut off")
    assert made(files, "a").new_leaf


def test_a_foreign_leaf_is_not_taken_for_ours(files: Files, tmp_path: Path) -> None:
    made(files, "a")
    other = Files(tmp_path / "other")
    made(other, "a")
    files.cert.write_bytes(other.cert.read_bytes())
    files.key.write_bytes(other.key.read_bytes())
    assert made(files, "a").new_leaf


def test_an_authority_whose_making_was_cut_off_is_made_anew(files: Files) -> None:
    """Its key is written first: without its certificate nobody trusts it."""
    made(files, "a")
    files.authority.unlink()
    assert made(files, "a").new_authority
    strictly_verified(files, "a")


def lose_key(files: Files, _: Files) -> None:
    files.authority_key.unlink()


def swap_key(files: Files, other: Files) -> None:
    files.authority_key.write_bytes(other.authority_key.read_bytes())


def break_certificate(files: Files, _: Files) -> None:
    files.authority.write_bytes(b"cut off")


@pytest.mark.parametrize("harm", [lose_key, swap_key, break_certificate])
def test_an_authority_that_callers_trust_is_never_replaced(
    files: Files, tmp_path: Path, harm: object
) -> None:
    other = Files(tmp_path / "other")
    made(files, "a")
    made(other, "a")
    assert callable(harm)
    harm(files, other)
    before = contents(files)
    with pytest.raises(AuthorityUnfit, match="away, run this again, and let callers trust"):
        made(files, "a")
    assert contents(files) == before


def test_an_authority_at_its_end_says_so(files: Files) -> None:
    ends_at = made(files, "a").authority.not_valid_after_utc
    with pytest.raises(AuthorityUnfit, match=r"ends on 2036-11-24"):
        made(files, "a", now=ends_at - 29 * DAY)


@pytest.mark.parametrize(
    "address", ["example.org", "xgpu.example.com", "example.com", "com", "amazonaws.com"]
)
def test_an_authority_signs_for_no_other_names(files: Files, address: str) -> None:
    made(files, "gpu.example.com")
    with pytest.raises(AuthorityUnfit, match="was not made for"):
        made(files, address)


ALLOWED = [
    "gpu.example.com",
    "a.gpu.example.com",
    "2001:db8::7",
    "10.0.0.1",
    "ec2-203-0-113-7.eu-west-1.compute.amazonaws.com",
    "ec2-203-0-113-7.compute-1.amazonaws.com",
    "ip-10-0-0-1.ec2.internal",
]


@pytest.mark.parametrize("address", ALLOWED)
def test_it_signs_for_what_is_below_them_for_addresses_and_for_ec2(
    files: Files, address: str
) -> None:
    made(files, "gpu.example.com")
    made(files, address)
    strictly_verified(files, address)


def strictly_verified(files: Files, address: str) -> None:
    """Ask a judge who is not ours, and strict."""
    kind = "ip" if ":" in address or address.replace(".", "").isdigit() else "hostname"
    asked = f"openssl verify -x509_strict -purpose sslserver -verify_{kind} {address}"
    asked += f" -attime {NOW.timestamp():.0f} -CAfile {files.authority} {files.cert}"
    run = subprocess.run(asked.split(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_constraint_is_kept_by_those_who_verify(files: Files, tmp_path: Path) -> None:
    """A leaf for a bank, signed with a stolen authority's key, is refused by OpenSSL."""
    made(files, "gpu.example.com")
    (authority,) = read_certificates(files.authority.read_bytes())
    signing = read_own_key(files.authority_key.read_bytes())
    key = read_own_key(files.key.read_bytes())
    forged = tmp_path / "forged.pem"
    forged.write_bytes(pem_of(leaf_of(authority, signing, key, [named("bank.example.org")], NOW)))
    asked = f"openssl verify -attime {NOW.timestamp():.0f} -CAfile {files.authority} {forged}"
    run = subprocess.run(asked.split(), capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "permitted subtree violation" in run.stderr


WRONG = ["https://gpu", "gpu:8000", "a b", "", "-a", "a-", "a..b", "1.2.3", "256.1.1.1", "*.a", "é"]


@pytest.mark.parametrize("address", [*WRONG, "a" * 64, ".".join(["a" * 60] * 5)])
def test_what_is_no_address_is_refused_before_anything_is_made(files: Files, address: str) -> None:
    with pytest.raises(AddressWrong, match="neither a host name nor an IP address"):
        made(files, address)
    assert not files.folder.exists()


def test_two_at_one_time_make_one_authority(files: Files) -> None:
    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(lambda _: made(files, "a"), range(16)))
    assert len({each.authority for each in issued}) == 1
    assert sum(each.new_authority for each in issued) == 1
    strictly_verified(files, "a")
