"""A job is accepted after its picture is staged, and a picture stays only with its job."""

import io
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gateway.accept import accept
from gateway.asked import Asked
from gateway.gate import admit
from gateway.parts import Parts
from gateway.problems import Problem
from gateway.sender import Sender
from gateway.settings import GatewaySettings
from gateway.wanted import Wanted
from jobstore.errors import StoreUnavailable
from jobstore.fetch import Fetcher
from jobstore.objects import Objects
from jobstore.reach import Reach
from jobstore.store import Store
from runner.pocket.architecture import ABILITIES

SENDER = Sender("main")


@pytest.fixture
def parts(store: Store, tmp_path: Path, embedded: Path) -> Parts:
    settings = GatewaySettings(
        data_dir=tmp_path,
        model_dir=embedded,
        s3_bucket="bucket",
        s3_region="us-east-1",
        api_secret_key="k",
    )
    return Parts(settings, ABILITIES, store, Objects.of(settings), Fetcher(Reach.over(http=False)))


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "PNG")
    return out.getvalue()


def asked(content: bytes | None = None, prompt: str = "a red circle") -> Asked:
    wanted = Wanted(prompt=prompt)
    picture = admit(content) if content else None
    request = wanted.resolve(picture.size if picture else None, ABILITIES)
    return Asked(request, picture, wanted.digest(content))


def staged(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "inputs" / "images").glob("*")]


def test_a_job_that_names_no_webhook_has_that_of_the_settings(parts: Parts) -> None:
    given = parts.settings.model_copy(update={"webhook_url": "https://ours.example/"})
    ours = replace(parts, settings=given)
    theirs = replace(asked(), webhook_url="https://theirs.example/")
    assert accept(ours, asked(), SENDER)[0].webhook_url == "https://ours.example/"
    assert accept(ours, theirs, SENDER)[0].webhook_url == "https://theirs.example/"
    assert accept(parts, asked(), SENDER)[0].webhook_url is None


def test_the_picture_lies_where_the_request_says(parts: Parts, tmp_path: Path) -> None:
    job, new = accept(parts, asked(png()), SENDER)
    assert new
    assert staged(tmp_path) == [job.request.image] == [f"{job.job_id}.png"]


def test_every_default_is_resolved_and_kept(parts: Parts) -> None:
    job, _ = accept(parts, asked(prompt=" a red circle "), SENDER)
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
        accept(parts, asked(png()), SENDER)
    assert staged(tmp_path) == []


def test_a_disk_that_cannot_keep_the_picture_is_said(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("in the way of the folder")
    with pytest.raises(Problem) as caught:
        accept(parts, asked(png()), SENDER)
    assert caught.value.code == "store_unavailable"
    assert parts.store.views.page(1) == []


def test_a_full_disk_is_said_and_left_as_it_was(parts: Parts, tmp_path: Path) -> None:
    """Files may not grow past a kilobyte while the picture is written."""
    noise = Image.effect_noise((256, 256), 100).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    wanted = asked(out.getvalue())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(Problem) as caught:
            accept(parts, wanted, SENDER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.code == "disk_full"
    assert staged(tmp_path) == []
    assert not list((tmp_path / "inputs" / "images").iterdir())
