"""The video itself comes from the gateway, whole or in parts; here from this machine's disk."""

import pytest

from calling import MP4, Calling

SIZE = len(MP4)


@pytest.fixture
def job_id(api: Calling) -> str:
    job_id = api.submit()
    api.complete(job_id)
    return job_id


def test_a_video_comes_whole(api: Calling, job_id: str) -> None:
    answer = api.http.get(f"/jobs/{job_id}/video")
    assert (answer.status_code, answer.content) == (200, MP4)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
    assert f'filename="{job_id}.mp4"' in answer.headers["content-disposition"]
    head = api.http.head(f"/jobs/{job_id}/video")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(SIZE)


PARTS = {
    "bytes=0-0": (0, 0),
    "bytes=100-300000": (100, 300_000),
    "bytes=1000-": (1000, SIZE - 1),
    "bytes=-10": (SIZE - 10, SIZE - 1),
    f"bytes={SIZE - 1}-{SIZE + 5}": (SIZE - 1, SIZE - 1),
    f"bytes=-{SIZE + 5}": (0, SIZE - 1),
    f"bytes=0-{10**17}": (0, SIZE - 1),
}


@pytest.mark.parametrize(("header", "span"), PARTS.items(), ids=PARTS.keys())
def test_a_part_is_the_bytes_asked_for(
    api: Calling, job_id: str, header: str, span: tuple[int, int]
) -> None:
    first, last = span
    answer = api.http.get(f"/jobs/{job_id}/video", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == MP4[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"


@pytest.mark.parametrize(
    "header", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"]
)
def test_a_range_that_is_none_is_left_alone(api: Calling, job_id: str, header: str) -> None:
    answer = api.http.get(f"/jobs/{job_id}/video", headers={"Range": header})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE + 9}-{SIZE + 10}", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(api: Calling, job_id: str, header: str) -> None:
    answer = api.http.get(f"/jobs/{job_id}/video", headers={"Range": header})
    assert api.code(answer) == (416, "range_wrong")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_a_part_of_another_file_is_not_put_together_with_this_one(
    api: Calling, job_id: str
) -> None:
    etag = api.http.get(f"/jobs/{job_id}/video").headers["etag"]
    for known, code in ((etag, 206), ('"another"', 200)):
        headers = {"Range": "bytes=1-2", "If-Range": known}
        assert api.http.get(f"/jobs/{job_id}/video", headers=headers).status_code == code


def test_there_is_no_video_before_the_end_and_none_without_one(api: Calling) -> None:
    job_id = api.submit()
    early = api.http.get(f"/jobs/{job_id}/video")
    assert api.code(early) == (409, "job_unfinished")
    assert "retry-after" in early.headers
    api.finish(api.claim())
    assert api.code(api.http.get(f"/jobs/{job_id}/video")) == (409, "job_unfinished")
    other = api.submit()
    api.http.post(f"/jobs/{other}/cancel")
    assert api.code(api.http.get(f"/jobs/{other}/video")) == (404, "video_missing")


def test_without_the_file_and_without_the_storage_it_is_said(api: Calling) -> None:
    """The storage of this gateway was never started."""
    job_id = api.submit()
    api.complete(job_id).unlink()
    assert api.code(api.http.get(f"/jobs/{job_id}/video")) == (503, "storage_unavailable")


def test_a_file_of_another_size_is_not_the_video(api: Calling) -> None:
    job_id = api.submit()
    api.complete(job_id).write_bytes(MP4[:-1])
    assert api.code(api.http.get(f"/jobs/{job_id}/video")) == (503, "storage_unavailable")
