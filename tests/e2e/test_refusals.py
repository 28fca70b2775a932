"""What the API says to bad requests: a code, and a sentence that says what to do."""

import base64
from typing import Any

import httpx2
import pytest

from gateway.wanted import PROMPT_LIMIT
from local.stack import Stack
from strangers import deep_png, without_palette

JSON = {"Content-Type": "application/json"}
GOOD = b'{"prompt": "a red circle"}'


def call(
    stack: Stack, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Any:
    headers = JSON | (headers or {})
    return httpx2.request(method, f"{stack.url}{path}", content=body, headers=headers)


def with_key(stack: Stack, body: bytes) -> Any:
    return call(stack, "POST", "/generate", body, {"X-API-Key": stack.key})


@pytest.mark.parametrize("path", ["/generate", "/status/x", "/nothing", "/jobs", "/", "/health/"])
@pytest.mark.parametrize("header", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}])
def test_nothing_but_health_is_open(stack: Stack, path: str, header: dict[str, str]) -> None:
    answer = call(stack, "POST", path, GOOD, header)
    assert answer.status_code == 401
    assert answer.json()["code"] == ("key_wrong" if header else "key_missing")
    assert "API_SECRET_KEY" in answer.json()["detail"]
    assert "WWW-Authenticate" in answer.headers


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "empty prompt": (b'{"prompt": ""}', 422, "field_wrong"),
    "blank prompt": (b'{"prompt": " \\u200b\\n "}', 422, "field_wrong"),
    "no prompt": (b"{}", 422, "field_missing"),
    "prompt is a number": (b'{"prompt": 5}', 422, "field_wrong"),
    "prompt is null": (b'{"prompt": null}', 422, "field_wrong"),
    "prompt with NUL": (b'{"prompt": "a\\u0000b"}', 422, "field_wrong"),
    "prompt with an escape": (b'{"prompt": "a\\u001b[31mb"}', 422, "field_wrong"),
    "prompt with half a character": (b'{"prompt": "a\\ud800b"}', 422, "field_wrong"),
    "prompt too long": (b'{"prompt": "%s"}' % (b"a" * (PROMPT_LIMIT + 1)), 422, "field_wrong"),
    "broken JSON": (b'{"prompt": "a"', 400, "json_broken"),
    "no JSON": (b"prompt=a", 400, "json_broken"),
    "a list": (b"[]", 400, "json_broken"),
    "deep": (b"[" * 100_000, 400, "json_broken"),
    "unknown field": (b'{"prompt": "a", "promt": "b"}', 422, "field_unknown"),
    "job id given": (b'{"prompt": "a", "job_id": "../x"}', 422, "field_unknown"),
    "seed is text": (b'{"prompt": "a", "seed": "7"}', 422, "field_wrong"),
    "seed is true": (b'{"prompt": "a", "seed": true}', 422, "field_wrong"),
    "seed is 8.5": (b'{"prompt": "a", "seed": 8.5}', 422, "field_wrong"),
    "seed is negative": (b'{"prompt": "a", "seed": -1}', 422, "field_wrong"),
    "seed is too large": (b'{"prompt": "a", "seed": 9223372036854775808}', 422, "field_wrong"),
    "preset is unknown": (b'{"prompt": "a", "preset": "best"}', 422, "field_wrong"),
    "preset is null": (b'{"prompt": "a", "preset": null}', 422, "field_wrong"),
    "image is text": (
        b'{"prompt": "a", "image_base64": "%s"}' % base64.b64encode(b"I am no image"),
        422,
        "image_invalid",
    ),
    "image is a bomb": (
        b'{"prompt": "a", "image_base64": "%s"}' % base64.b64encode(deep_png(30_000)),
        422,
        "image_invalid",
    ),
    "image breaks what reads it": (
        b'{"prompt": "a", "image_base64": "%s"}' % base64.b64encode(without_palette()),
        422,
        "image_invalid",
    ),
    "image is empty": (b'{"prompt": "a", "image_base64": ""}', 422, "image_invalid"),
    "image is not base64": (b'{"prompt": "a", "image_base64": "!!"}', 422, "image_invalid"),
    "image is a list": (b'{"prompt": "a", "image_base64": []}', 422, "field_wrong"),
    "image by URL": (
        b'{"prompt": "a", "image_url": "http://169.254.169.254/"}',
        422,
        "image_fetch_failed",
    ),
    "all at once": (
        b'{"prompt": "", "seed": -1, "x": 1, "image_base64": "!", "image_url": "u"}',
        422,
        "request_invalid",
    ),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_request_is_told_what_to_do(
    stack: Stack, body: bytes, status: int, code: str
) -> None:
    answer = with_key(stack, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["error"]["message"] == problem["detail"]
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_all_faults_are_told_at_once(stack: Stack) -> None:
    faults = with_key(stack, REFUSED["all at once"][0]).json()["errors"]
    assert {fault["field"] for fault in faults} == {
        "prompt",
        "seed",
        "x",
        "image_base64",
        "image_url",
    }


def test_a_body_of_many_fields_gets_a_short_answer(stack: Stack) -> None:
    fields = ", ".join(f'"{"x" * 200}{number}": 1' for number in range(10_000))
    answer = with_key(stack, f'{{"prompt": "a", {fields}}}'.encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "field_unknown")
    assert len(answer.content) < 2000
    few = with_key(stack, b'{"prompt": "a", "%s": 1}' % (b"x" * 10_000))
    assert few.status_code == 422
    assert len(few.content) < 2000


def test_a_body_that_is_too_large_is_cut_off(stack: Stack) -> None:
    answer = with_key(stack, b'{"prompt": "' + b"a" * (17 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/mixed", ""]
)
def test_another_kind_of_body_is_refused(stack: Stack, kind: str) -> None:
    headers = {"X-API-Key": stack.key, "Content-Type": kind}
    answer = call(stack, "POST", "/generate", GOOD, headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "media_type_wrong")


@pytest.mark.parametrize("job_id", ["x", "01M82DP1AYBWNJN64VWY83HJNZ", "..%2F..", "%00", "é"])
def test_an_unknown_job_is_said_to_be_unknown(stack: Stack, job_id: str) -> None:
    answer = call(stack, "GET", f"/status/{job_id}", headers={"X-API-Key": stack.key})
    assert answer.status_code == 404
    assert answer.json()["code"] in {"job_unknown", "path_unknown"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/generate", 405, "method_unknown"),
        ("DELETE", "/status/x", 405, "method_unknown"),
        ("GET", "/nothing", 404, "path_unknown"),
        ("GET", "//status/x", 404, "path_unknown"),
    ],
)
def test_an_unknown_call_is_told_what_there_is(
    stack: Stack, method: str, path: str, status: int, code: str
) -> None:
    answer = call(stack, method, path, headers={"X-API-Key": stack.key})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_the_model_can_do_is_told(stack: Stack) -> None:
    key = {"X-API-Key": stack.key}
    can = call(stack, "GET", "/capabilities", headers=key).json()
    assert (can["model"], can["defaults"]["preset"]) == ("pocket", "quality")
    assert all(preset["about"].endswith(".") for preset in can["presets"].values())
    refused = with_key(stack, REFUSED["preset is unknown"][0]).json()
    assert all(name in refused["detail"] for name in can["presets"])


def test_nothing_refused_became_a_job_or_left_a_file(stack: Stack, png: Any) -> None:
    def images() -> set[str]:
        return {file.name for file in (stack.folder / "inputs" / "images").glob("*")}

    stack.client.submit("makes the folder", image=png)
    before = images()
    image = base64.b64encode(png.read_bytes()).decode()
    answer = with_key(stack, f'{{"prompt": "", "image_base64": "{image}"}}'.encode())
    assert answer.status_code == 422
    assert images() == before
