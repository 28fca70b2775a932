"""A job is accepted after its picture is staged, and a picture stays only with its job."""

import io
from pathlib import Path

import pytest
from PIL import Image

from gateway.generate import Wanted, accept
from gateway.parts import Parts
from gateway.pictures import decode
from jobstore.errors import StoreUnavailable
from jobstore.objects import Objects
from jobstore.settings import GatewaySettings
from jobstore.store import Store
from runner.pocket.architecture import ABILITIES


@pytest.fixture
def parts(store: Store, tmp_path: Path, embedded: Path) -> Parts:
    settings = GatewaySettings(
        data_dir=tmp_path,
        model_dir=embedded,
        s3_bucket="bucket",
        s3_region="us-east-1",
        api_secret_key="k",
    )
    return Parts(settings, ABILITIES, store, Objects.of(settings))


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "PNG")
    return out.getvalue()


def staged(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "inputs" / "images").glob("*")]


def test_the_picture_lies_where_the_request_says(parts: Parts, tmp_path: Path) -> None:
    job, position = accept(parts, Wanted(prompt="a red circle"), decode(png()))
    assert position == 1
    assert staged(tmp_path) == [job.request.image] == [f"{job.job_id}.png"]


def test_every_default_is_resolved_and_kept(parts: Parts) -> None:
    job, _ = accept(parts, Wanted(prompt=" a red circle "), None)
    kept = parts.store.views.find(job.job_id)
    assert kept
    request = kept.request
    assert (request.prompt, request.image) == ("a red circle", None)
    assert (request.width, request.height, request.num_frames) == (128, 128, 17)
    assert (request.steps, request.guidance_scale, request.fps) == (20, 3.0, 24)
    assert 0 <= request.seed < 2**32


def test_a_job_that_could_not_be_taken_in_leaves_no_picture(parts: Parts, tmp_path: Path) -> None:
    with parts.store.database.writing() as connection:
        connection.execute("DROP TABLE jobs")
    with pytest.raises(StoreUnavailable):
        accept(parts, Wanted(prompt="a red circle"), decode(png()))
    assert staged(tmp_path) == []
