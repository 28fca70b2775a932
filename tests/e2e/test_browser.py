"""A link works in a real browser: it saves under its name, and plays from anywhere."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response, sync_playwright

from jobstore.job import Request
from jobstore.objects import Link
from local.s3 import S3Server
from whole_video import lay

PLAYED = """
(url) => new Promise((done, failed) => {
    const video = document.createElement('video')
    video.muted = true
    video.onerror = () => failed(video.error.message)
    video.onloadeddata = () => { video.currentTime = video.duration - 0.1 }
    video.onseeked = () => done([video.videoWidth, video.videoHeight, video.duration])
    video.src = url
    document.body.append(video)
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which keeps to itself."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        yield browser
        browser.close()


@pytest.fixture
def video(tmp_path: Path, ask: Callable[..., Request]) -> Path:
    lay(tmp_path / "a.mp4", ask(num_frames=49))
    return tmp_path / "a.mp4"


@pytest.fixture
def link(s3: S3Server, video: Path) -> Link:
    key = f"videos/2026/11/{video.parent.name}.mp4"
    s3.objects.put_once(
        key, video, job_id="J1", sha256=hashlib.sha256(video.read_bytes()).hexdigest()
    )
    return s3.objects.link(key, "01M82DP1AYBWNJN64VWY83HJNZ.mp4")


def test_a_link_saves_the_video_under_its_name(browser: Browser, link: Link, video: Path) -> None:
    page = browser.new_page()
    page.set_content(f'<a href="{link.url.replace("&", "&amp;")}">the video</a>')
    with page.expect_download() as saving:
        page.click("a")
    saved = saving.value
    assert saved.suggested_filename == "01M82DP1AYBWNJN64VWY83HJNZ.mp4"
    assert saved.path().read_bytes() == video.read_bytes()
    page.close()


def test_a_link_plays_and_is_read_in_parts(browser: Browser, link: Link) -> None:
    page = browser.new_page()
    answers = []

    def hear(answer: Response) -> None:
        answers.append((answer.status, answer.headers["content-type"]))

    page.on("response", hear)
    assert page.evaluate(PLAYED, link.url) == [128, 128, pytest.approx(49 / 24, abs=0.01)]
    assert set(answers) == {(206, "video/mp4")}
    page.close()
