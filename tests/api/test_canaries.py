"""No secret comes out: not in an answer, not in a log, not in the store. The same is looked for in
what all other tests have left, when they are done."""

import base64
from pathlib import Path

import pytest

from calling import PROMPT, RED, Calling
from canaries import leaks
from jobstore.clock import now_ms
from local.s3 import SECRET
from local.stack import KEY_BEGINS

KEY = KEY_BEGINS + "c" * 32
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4).decode()


def test_what_is_sent_in_wrong_places_is_not_written_down(api: Calling) -> None:
    """Keys that are wrong, that stand in the path, the query or the body, and pictures."""
    http = api.http
    named = api.store.keys.make("canary", now_ms())
    answers = [
        http.get("/jobs", headers={"X-API-Key": KEY}),
        http.get("/jobs", headers={"X-API-Key": "", "Authorization": f"Bearer {KEY}"}),
        http.get(f"/jobs?api_key={KEY}"),
        http.post("/generate", content=b"{" + KEY.encode(), headers={"Content-Type": "a/b"}),
        api.send(image_base64=PICTURE),
        api.send(image_base64=f"{PICTURE}!"),
        api.send(image_url=f"https://user:{KEY}@example.com/?X-Amz-Signature={KEY}"),
        api.send(image_base64=RED, metadata={"note": "kept"}),
        http.get("/jobs", headers={"Authorization": f"Bearer {named}"}),
        api.send({"Idempotency-Key": "one"}),
    ]
    job_id = api.submit(prompt=PROMPT)
    api.store.jobs.cancel(job_id, now_ms())
    answers += [http.get(path) for path in ("/health", "/metrics", "/capabilities", "/docs")]
    told = "".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    for secret in (api.stack.key, SECRET, named, PICTURE[:100]):
        assert secret not in told
    assert not list(leaks(api.stack.folder))


def test_a_link_is_told_and_not_logged(api: Calling) -> None:
    job_id = api.submit()
    api.complete(job_id)
    assert "X-Amz-Signature=" in api.http.get(f"/status/{job_id}").json()["video_url"]
    assert not list(leaks(api.stack.folder))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("gateway.log", KEY),
        ("jobs.db-wal", KEY),
        ("a.json", SECRET),
        ("gateway.log", "https://a/?X-Amz-Signature=abc"),
        ("gateway.log", PICTURE),
        ("gateway.log", f"wan22_{'a' * 43}"),
    ],
)
def test_one_that_came_out_would_be_found(tmp_path: Path, name: str, secret: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / name).write_text(f"before {secret} behind")
    found = list(leaks(tmp_path))
    assert found
    assert secret not in "".join(found)
    (tmp_path / "logs" / name).unlink()
