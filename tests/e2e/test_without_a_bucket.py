"""Without a bucket the videos stay on the disk; later, with one, they are delivered."""

from collections.abc import Iterator

import httpx2
import pytest

from local.stack import Stack

NO_BUCKET = {"S3_BUCKET": "", "S3_REGION": "", "S3_ENDPOINT_URL": ""}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("no-bucket")) as stack:
        for name in ("gateway", "render", "deliver"):
            stack.launch(name, **NO_BUCKET)
        for name in ("gateway", "render", "deliver"):
            stack.wait(name)
        yield stack


def test_a_video_is_kept_and_then_delivered(stack: Stack) -> None:
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    last = list(stack.client.follow(job_id, patience_s=90))[-1]
    assert (last["status"], last["upload"]) == ("completed", None)
    url = last["video_url"]
    assert url.startswith(f"{stack.url}/jobs/{job_id}/video?expires=")
    answer = httpx2.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert f"{job_id}.mp4" in answer.headers["content-disposition"]
    part = httpx2.get(url, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert httpx2.get(url.partition("?")[0]).status_code == 401
    altered = httpx2.get(url[:-1] + ("0" if url[-1] != "0" else "1"))
    assert (altered.status_code, altered.json()["code"]) == (403, "link_wrong")
    other = httpx2.get(url.replace("/video?", "?"))
    assert other.status_code == 401

    stack.s3.start()
    for name in ("gateway", "deliver"):
        stack.processes[name].end()
        stack.launch(name)
        stack.wait(name)
    stack.processes["deliver"].wait_until(lambda: bool(stack.s3.videos_of(job_id)))
    stack.processes["gateway"].wait_until(
        lambda: stack.s3.env["S3_ENDPOINT_URL"] in str(stack.client.status(job_id)["video_url"])
    )
    assert httpx2.get(stack.client.status(job_id)["video_url"]).content == answer.content
    assert httpx2.get(url).content == answer.content, "a link that was given out stays good"
    names = {entry["Key"].rpartition(".")[2] for entry in stack.s3.objects_of(job_id)}
    assert names == {"mp4", "json", "jpg"}
