"""Dropped files whose pictures are fetched: a slow server keeps no other file waiting."""

import io
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from PIL import Image

from gateway.intake.intake import AT_ONCE, Intake
from gateway.parts import Parts
from gateway.settings import GatewaySettings
from jobstore.store import Store
from runner.pocket.architecture import ABILITIES
from web_site import NAME, Site, Visit, fetcher, server_tls

PATIENCE_S = 15


@pytest.fixture
def opened() -> threading.Event:
    """Set when the server may answer."""
    return threading.Event()


@pytest.fixture
def site(authority: trustme.CA, opened: threading.Event) -> Iterator[Site]:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")

    def answer(visit: Visit) -> None:
        opened.wait(PATIENCE_S)
        if visit.path == "/photo":
            visit.answer(out.getvalue())
        else:
            visit.answer(status=404)

    with Site(answer, server_tls(authority)) as site:
        yield site
        opened.set()


@pytest.fixture
def inputs(
    store: Store, tmp_path: Path, embedded: Path, site: Site, tls: ssl.SSLContext
) -> Iterator[Path]:
    """The folder of an intake that is at work."""
    settings = GatewaySettings(
        data_dir=tmp_path, model_dir=embedded, api_secret_key="k", poll_s=0.2, queued_most=100
    )
    parts = Parts(settings, ABILITIES, store, None, fetcher(site, tls=tls))
    intake = Intake(parts, settings.inputs)
    intake.start()
    until((settings.inputs / "status").is_dir)
    yield settings.inputs
    intake.stop()


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def drop(inputs: Path, name: str, **members: object) -> None:
    part = inputs / f".{name}.part"
    part.write_text(json.dumps({"prompt": "a red circle"} | members))
    part.rename(inputs / name)


def test_a_slow_server_keeps_no_other_file_waiting(
    inputs: Path, site: Site, opened: threading.Event
) -> None:
    slow = [f"slow{number}.json" for number in range(2 * AT_ONCE)]
    for name in slow:
        drop(inputs, name, image_url=f"https://{NAME}:{site.port}/photo")
    until(lambda: site.connections == AT_ONCE)
    drop(inputs, "quick.json")
    drop(inputs, "wrong.json", steps=-1)
    until(lambda: not (inputs / "quick.json").exists() and not (inputs / "wrong.json").exists())
    assert all((inputs / name).exists() for name in slow)
    opened.set()
    until(lambda: len(list((inputs / "accepted").iterdir())) == len(slow) + 1)
    assert site.connections == len(slow), "each picture is fetched once"


def test_a_picture_that_is_not_there_rejects_its_file_alone(
    inputs: Path, site: Site, opened: threading.Event
) -> None:
    opened.set()
    drop(inputs, "none.json", image_url=f"https://{NAME}:{site.port}/none")
    until(lambda: not (inputs / "none.json").exists())
    said = json.loads((inputs / "status" / "none.json").read_bytes())
    assert (said["status"], said["error_code"]) == ("rejected", "image_fetch_failed")
