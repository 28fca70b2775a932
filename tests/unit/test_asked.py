"""A request is checked as a whole: its members, then its picture, however that comes."""

import base64
import io
import ssl
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import trustme
from PIL import Image

from gateway.asked import Asked, ask
from gateway.body import Body
from gateway.parts import Parts
from gateway.problems import Problem
from gateway.settings import GatewaySettings
from jobstore.objects import Objects
from jobstore.store import Store
from runner.pocket.architecture import ABILITIES
from web_site import NAME, Answer, Site, fetcher, server_tls

PROMPT = {"prompt": "a red circle"}


def png(side: int = 48) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, 64), "red").save(out, "PNG")
    return out.getvalue()


ANSWERS: dict[str, Answer] = {
    "/photo": lambda visit: visit.answer(png()),
    "/other": lambda visit: visit.answer(png(32)),
    "/page": lambda visit: visit.answer(b"<html>", headers={"Content-Type": "image/png"}),
    "/none": lambda visit: visit.answer(status=404),
}


@pytest.fixture
def site(authority: trustme.CA) -> Iterator[Site]:
    with Site(lambda visit: ANSWERS[visit.path](visit), server_tls(authority)) as site:
        yield site


@pytest.fixture
def parts(store: Store, tmp_path: Path, embedded: Path, site: Site, tls: ssl.SSLContext) -> Parts:
    settings = GatewaySettings(
        data_dir=tmp_path,
        model_dir=embedded,
        s3_bucket="bucket",
        s3_region="us-east-1",
        api_secret_key="k",
    )
    return Parts(settings, ABILITIES, store, Objects.of(settings), fetcher(site, tls=tls))


def url(site: Site, path: str) -> str:
    return f"https://{NAME}:{site.port}{path}"


def asked(parts: Parts, file: bytes | None = None, **members: object) -> Asked:
    return anyio.run(ask, parts, Body(PROMPT | members, "image", file))


def refused(parts: Parts, file: bytes | None = None, **members: object) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        asked(parts, file, **members)
    return {fault.field: fault.code for fault in caught.value.faults}


def test_a_picture_is_the_same_however_it_comes(parts: Parts, site: Site) -> None:
    text = base64.b64encode(png()).decode()
    ways = [
        asked(parts, png()),
        asked(parts, image_base64=text),
        asked(parts, image_url=url(site, "/photo")),
    ]
    assert {way.picture for way in ways} == {ways[0].picture}
    assert ways[0].picture is not None
    assert ways[0].digest == ways[1].digest


def test_what_lies_at_a_url_may_change_and_the_request_is_the_same(
    parts: Parts, site: Site
) -> None:
    one, other = (asked(parts, image_url=url(site, path)) for path in ("/photo", "/other"))
    assert one.digest != other.digest
    assert one.digest == asked(parts, image_url=url(site, "/photo")).digest


@pytest.mark.parametrize(
    ("path", "code"), [("/page", "image_invalid"), ("/none", "image_fetch_failed")]
)
def test_what_is_fetched_and_is_no_picture_is_refused(
    parts: Parts, site: Site, path: str, code: str
) -> None:
    assert refused(parts, image_url=url(site, path)) == {"image_url": code}


def test_nobody_is_asked_for_a_picture_of_a_request_that_is_wrong(parts: Parts, site: Site) -> None:
    assert refused(parts, image_url=url(site, "/photo"), seed=-1) == {"seed": "field_wrong"}
    assert site.connections == 0


def test_all_faults_are_told_at_once_those_of_the_picture_too(parts: Parts) -> None:
    faults = refused(parts, b"no picture", seed=-1, steps=0)
    assert faults == {"image": "image_invalid", "seed": "field_wrong", "steps": "field_wrong"}


def test_a_picture_comes_in_one_way(parts: Parts, site: Site) -> None:
    text = base64.b64encode(png()).decode()
    faults = refused(parts, png(), image_base64=text, image_url=url(site, "/photo"))
    assert faults == {"image_base64": "field_wrong", "image_url": "field_wrong"}
    assert site.connections == 0
