"""A video is handed out until its time is over, to the second, however late its removal is."""

from datetime import datetime
from typing import Any

import pytest

from calling import MP4, Calling
from jobstore.clock import now_ms, text

KEPT_MS = 30 * 86_400_000


@pytest.fixture
def job_id(api: Calling) -> str:
    job_id = api.submit()
    api.complete(job_id)
    return job_id


def end(api: Calling, job_id: str, ends_in_ms: int) -> int:
    """Move the end of a job, so that its video is kept so much longer; tells until when."""
    ends_at = now_ms() + ends_in_ms
    with api.store.database.writing() as connection:
        connection.execute(
            f"UPDATE jobs SET ended_at = {ends_at - KEPT_MS} WHERE job_id = '{job_id}'"
        )
    return ends_at


def status(api: Calling, job_id: str) -> dict[str, Any]:
    body: dict[str, Any] = api.http.get(f"/status/{job_id}").json()
    return body


def test_it_is_told_until_when_a_video_is_kept(api: Calling, job_id: str) -> None:
    told = status(api, job_id)
    ended_at = api.job(job_id).ended_at
    assert ended_at
    assert told["video_expires_at"] == text(ended_at + KEPT_MS)
    assert told["video_expired_at"] is None
    dialect = api.http.get(f"/v1/videos/{job_id}").json()
    assert dialect["expires_at"] == (ended_at + KEPT_MS) // 1000
    waiting = api.submit()
    assert status(api, waiting)["video_expires_at"] is None
    assert api.http.get(f"/v1/videos/{waiting}").json()["expires_at"] is None


def test_a_link_never_outlives_its_video(api: Calling, job_id: str) -> None:
    ends_at = end(api, job_id, 100_000)
    told = status(api, job_id)
    link_ends = datetime.fromisoformat(told["video_url_expires_at"]).timestamp() * 1000
    assert ends_at - 2000 < link_ends <= ends_at
    assert "X-Amz-Expires=99" in told["video_url"] or "X-Amz-Expires=100" in told["video_url"]
    end(api, job_id, 900)
    assert status(api, job_id)["video_url"] is None, "less than a second is no link"


def test_an_expired_video_is_gone_though_it_is_still_there(api: Calling, job_id: str) -> None:
    assert api.http.get(f"/jobs/{job_id}/video").content == MP4
    etag = api.http.get(f"/status/{job_id}").headers["etag"]
    ends_at = end(api, job_id, -1)
    for path in (f"/jobs/{job_id}/video", f"/v1/videos/{job_id}/content"):
        answer = api.http.get(path)
        assert api.code(answer) == (410, "video_expired")
        assert "retry" in answer.json()["detail"]
    told = api.http.get(f"/status/{job_id}", headers={"If-None-Match": etag})
    assert told.status_code == 200, "that it expired is news"
    assert told.json()["status"] == "completed"
    assert (told.json()["video_url"], told.json()["video_url_expires_at"]) == (None, None)
    assert told.json()["video_expires_at"] is None
    assert told.json()["video_expired_at"] == text(ends_at)
    assert api.http.get(f"/v1/videos/{job_id}").json()["expires_at"] == ends_at // 1000


def test_what_was_said_to_be_expired_stays_so(api: Calling, job_id: str) -> None:
    """As when KEEP_VIDEOS_S was raised later: its bytes are gone."""
    assert api.store.retention.expire(job_id, now_ms())
    assert api.code(api.http.get(f"/jobs/{job_id}/video")) == (410, "video_expired")
    assert status(api, job_id)["video_expired_at"]
    assert api.http.post(f"/jobs/{job_id}/retry").status_code == 202
