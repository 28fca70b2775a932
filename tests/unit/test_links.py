"""A link says truly when it ends: with its hour, or with the credentials that signed it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobstore.clock import now_ms
from jobstore.objects import LINK_S, Objects
from jobstore.settings import StorageSettings
from metadata_service import MetadataService

ROUNDED_MS = 2000  # the service writes whole seconds
ROLES = [(6 * 3600, LINK_S), (2400, 2400), (600, 600), (90, 90)]
Role = Callable[[int], MetadataService]


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Role]:
    """A machine whose credentials are those of its role, and last so many seconds."""
    services = []

    def make(lasts_s: int) -> MetadataService:
        services.append(MetadataService("AKIAEXAMPLE", "secret", lasts_s))
        for name, value in services[-1].env.items():
            monkeypatch.setenv(name, value)
        return services[-1]

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    yield make
    for service in services:
        service.close()


def objects(tmp_path: Path, **settings: str) -> Objects:
    usual = {"data_dir": tmp_path, "s3_bucket": "bucket", "s3_region": "eu-central-1"}
    return Objects.of(StorageSettings.model_validate(usual | settings))


def test_keys_of_ones_own_do_not_end(tmp_path: Path) -> None:
    ours = objects(tmp_path, aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secret")
    assert ours.credentials_end_at() is None
    left_ms = ours.link("videos/a.mp4", "a.mp4").expires_at - now_ms()
    assert LINK_S * 1000 - ROUNDED_MS < left_ms <= LINK_S * 1000


@pytest.mark.parametrize(("lasts_s", "good_s"), ROLES)
def test_a_link_of_a_role_ends_no_later_than_its_credentials(
    role: Role, tmp_path: Path, lasts_s: int, good_s: int
) -> None:
    service = role(lasts_s)
    ours = objects(tmp_path)
    link = ours.link("videos/a.mp4", "a.mp4")
    assert service.asked > 0
    assert abs(link.expires_at - now_ms() - good_s * 1000) < ROUNDED_MS
    assert "X-Amz-Security-Token=session" in link.url
    ends_at = ours.credentials_end_at()
    assert ends_at is not None
    assert abs(ends_at - now_ms() - lasts_s * 1000) < ROUNDED_MS
