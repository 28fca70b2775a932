"""What people send that is wrong, and what each is told: one table; pictures have another file."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calling import RED

GOOD: dict[str, Any] = {"prompt": "a red circle"}
JSON = {"Content-Type": "application/json"}
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@dataclass(frozen=True)
class Bad:
    """One request, and the code of the problem that answers it.

    `body` is sent as it is, or, if it is a dict, as JSON beside a good prompt.
    """

    code: str
    body: bytes | Mapping[str, Any] | None = None
    method: str = "POST"
    path: str = "/generate"
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    keyed: bool = True


def get(code: str, path: str, method: str = "GET", **headers: str) -> Bad:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Bad(code, None, method, path, names)


def wrong(**members: Any) -> Bad:
    return Bad("field_wrong", members)


SHAPE: dict[str, Bad] = {
    "1 empty body": Bad("json_broken", b""),
    "2 only white space": Bad("json_broken", b" \r\n\t "),
    "3 null": Bad("json_broken", b"null"),
    "4 a list": Bad("json_broken", b"[]"),
    "5 a text": Bad("json_broken", b'"prompt"'),
    "6 a number": Bad("json_broken", b"42"),
    "7 cut off": Bad("json_broken", b'{"prompt":"a"'),
    "8 something behind it": Bad("json_broken", b'{"prompt":"a"}x'),
    "9 two objects": Bad("json_broken", b'{"prompt":"a"}{"prompt":"b"}'),
    "9 an object a line": Bad("json_broken", b'{"prompt":"a"}\n{"prompt":"b"}\n'),
    "10 a byte order mark": Bad("json_broken", b"\xef\xbb\xbf" + b'{"prompt":"a"}'),
    "11 UTF-16": Bad("json_broken", '{"prompt":"a"}'.encode("utf-16")),
    "12 Latin-1": Bad("json_broken", '{"prompt":"é"}'.encode("latin-1")),
    "14 NUL": wrong(prompt="a\0b"),
    "15 a name twice": Bad("json_broken", b'{"prompt":"a","prompt":"b"}'),
    "15 a name twice inside": Bad("json_broken", b'{"prompt":"a","metadata":{"a":"1","a":"2"}}'),
    "16 NaN": Bad("json_broken", b'{"prompt":"a","seconds":NaN}'),
    "16 Infinity": Bad("json_broken", b'{"prompt":"a","seconds":Infinity}'),
    "16 1e999": Bad("field_wrong", b'{"prompt":"a","seconds":1e999}'),
    "17 a number of 5000 digits": Bad("json_broken", b'{"prompt":"a","seed":%s}' % (b"9" * 5000)),
    "17 a number of 4000 digits": Bad("field_wrong", b'{"prompt":"a","seed":%s}' % (b"9" * 4000)),
    "18 deep lists": Bad("json_broken", b"[" * 100_000),
    "18 deep objects": Bad("json_broken", b'{"a":' * 100_000),
    "20 an unknown field": Bad("field_unknown", {"promt": "a"}),
    "21 another case": Bad("field_unknown", {"Seed": 1}),
    "23 a number as text": wrong(seed="8"),
    "23 true for 1": wrong(seed=True),
    "23 a fraction": wrong(seed=8.5),
    "24 no prompt": Bad("field_wrong", {"prompt": None}),
    "25 a comment": Bad("json_broken", b'{"prompt":"a"} // why'),
    "25 single quotes": Bad("json_broken", b"{'prompt':'a'}"),
    "25 YAML": Bad("json_broken", b"prompt: a"),
    "26 gzip without saying so": Bad("json_broken", gzip.compress(b'{"prompt":"a"}')),
    "26 gzip, said": Bad(
        "media_type_wrong", gzip.compress(b"{}"), headers={"Content-Type": "application/gzip"}
    ),
    "27 no type": Bad("media_type_wrong", b'{"prompt":"a"}', headers={"Content-Type": ""}),
    "27 a text": Bad("media_type_wrong", b"{}", headers={"Content-Type": "text/plain"}),
    "28 too large": Bad("body_too_large", b'{"prompt":"' + b"a" * (17 << 20) + b'"}'),
    "own: XML": Bad("media_type_wrong", b"<a/>", headers={"Content-Type": "application/xml"}),
    "own: a form in the old way": Bad(
        "media_type_wrong",
        b"prompt=a",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "own: a form feed in JSON": Bad("json_broken", b'{"prompt":\x0c"a"}'),
    "own: a line break in a text": Bad("json_broken", b'{"prompt":"a\nb"}'),
    "own: a comma too many": Bad("json_broken", b'{"prompt":"a",}'),
    "own: a hundred fields": Bad("field_unknown", {f"x{n}": n for n in range(100)}),
    "own: a name of a megabyte": Bad("field_unknown", {"x" * (1 << 20): 1}),
    "own: an empty name": Bad("field_unknown", {"": 1}),
    "own: __proto__": Bad("field_unknown", {"__proto__": {"a": 1}}),
    "own: a minus and no number": Bad("json_broken", b'{"prompt":"a","seed":-}'),
    "own: a hexadecimal number": Bad("json_broken", b'{"prompt":"a","seed":0x10}'),
    "own: a number with a leading zero": Bad("json_broken", b'{"prompt":"a","seed":010}'),
}
FIELDS: dict[str, Bad] = {
    "own: a webhook without a secret": Bad("webhook_unsigned", {"webhook_url": "https://a.b/"}),
    "own: a webhook that is a number": wrong(webhook_url=1),
    "33 an empty prompt": wrong(prompt=""),
    "33 spaces": wrong(prompt="   \n\t "),
    "33 of no width": wrong(prompt="\u200b\u2060\ufeff"),
    "34 a million characters": wrong(prompt="a" * 1_000_000),
    "35 an escape": wrong(prompt="a\x1b[31mb"),
    "35 half a character": Bad("field_wrong", b'{"prompt":"a\\ud800b"}'),
    "37 a width of 0": wrong(size="0x128"),
    "37 a negative width": wrong(size="-1x128"),
    "37 a width of 7": wrong(size="7x128"),
    "37 a width of 1e9": wrong(size="1000000000x128"),
    "37 odd sides": wrong(size="127x129"),
    "37 a list of sides": wrong(size=[128, 128]),
    "37 a size that the pipeline would bend": wrong(size="130x130"),
    "38 no frames": wrong(num_frames=0),
    "38 negative frames": wrong(num_frames=-5),
    "38 too many frames": wrong(num_frames=1_000_001),
    "38 not 4k + 1": wrong(num_frames=16),
    "38 no seconds": wrong(seconds=0),
    "38 negative seconds": wrong(seconds=-1),
    "38 too many seconds": wrong(seconds=1e9),
    "38 both lengths": wrong(seconds=0.5, num_frames=13),
    "39 no steps": wrong(steps=0),
    "39 too many steps": wrong(steps=10_000),
    "39 guidance of 1e308": wrong(guidance_scale=1e308),
    "39 guidance of 0": wrong(guidance_scale=0),
    "40 a seed of -1": wrong(seed=-1),
    "40 a seed of 2**63": wrong(seed=2**63),
    "40 a seed of 2**64": wrong(seed=2**64),
    "41 an unknown model": Bad("field_wrong", {"model": "sora-2"}, path="/v1/videos"),
    "41 a path as model": Bad("field_wrong", {"model": "../../etc"}, path="/v1/videos"),
    "41 a LoRA": Bad("field_unknown", {"lora_url": "https://example.com/a"}),
    "42 an id of its own": Bad("field_unknown", {"job_id": NOBODY}),
    "43 too urgent": wrong(priority=1000),
    "44 a webhook": Bad("field_unknown", {"callback": "https://example.com"}),
    "45 two pictures": Bad("field_wrong", {"image_base64": RED, "image_url": "https://a.b"}),
    "own: an output path": Bad("field_unknown", {"output_path": "/etc/passwd"}),
    "own: an image path": Bad("field_unknown", {"image_path": "/etc/passwd"}),
    "own: an unknown preset": wrong(preset="best"),
    "own: a preset in a list": wrong(preset=["quality"]),
    "own: too few steps for a step cache": wrong(preset="fast", steps=1),
    "own: steps of a draft": wrong(preset="draft", steps=20),
    "own: guidance of a draft": wrong(preset="draft", guidance_scale=5),
    "own: metadata of numbers": wrong(metadata={"a": 1}),
    "own: metadata in a list": wrong(metadata=[["a", "b"]]),
    "own: metadata without a name": wrong(metadata={"": "a"}),
    "own: much metadata": wrong(metadata={f"{n}": "" for n in range(17)}),
    "own: long metadata": wrong(metadata={"a": "b" * 513}),
    "own: metadata with an escape": wrong(metadata={"a\x1b": "b"}),
    "own: perhaps": wrong(embed_metadata="yes"),
    "own: a negative prompt of a megabyte": wrong(negative_prompt="a" * (1 << 20)),
    "own: a negative prompt with a bell": wrong(negative_prompt="a\x07"),
    "own: a size with a cross": wrong(size="128\u00d7128"),
    "own: a size with a space": wrong(size="128 x 128"),
    "own: a size in other digits": wrong(size="\u0661\u0662\u0668x128"),
    "own: seconds as an object": wrong(seconds={}),
    "own: a reference that is text": Bad(
        "field_wrong", {"input_reference": "https://a.b"}, path="/v1/videos"
    ),
    "own: a reference with more": Bad(
        "field_wrong",
        {"input_reference": {"image_url": "https://a.b", "path": "/etc"}},
        path="/v1/videos",
    ),
    "own: a model that is an object": Bad("field_wrong", {"model": {}}, path="/v1/videos"),
    "own: seconds that are no number": Bad("field_wrong", {"seconds": "long"}, path="/v1/videos"),
    "own: seconds that are NaN as text": Bad("field_wrong", {"seconds": "nan"}, path="/v1/videos"),
}
KEYS: dict[str, Bad] = {
    "49 a key of 1,000 characters": Bad(
        "idempotency_key_wrong", GOOD, headers=JSON | {"Idempotency-Key": "a" * 1000}
    ),
    "49 an empty key": Bad("idempotency_key_wrong", GOOD, headers=JSON | {"Idempotency-Key": ""}),
    "49 a key with a space": Bad(
        "idempotency_key_wrong", GOOD, headers=JSON | {"Idempotency-Key": "a b"}
    ),
    "51 no key": Bad("key_missing", GOOD, keyed=False),
    "52 a wrong key": Bad("key_wrong", GOOD, headers=JSON | {"X-API-Key": "no"}, keyed=False),
    "54 a key in the query": Bad("key_missing", GOOD, path="/generate?api_key=KEY", keyed=False),
    "own: a key of another scheme": Bad(
        "key_missing", GOOD, headers=JSON | {"Authorization": "Basic YTpi"}, keyed=False
    ),
    "own: an empty bearer": Bad(
        "key_missing", GOOD, headers=JSON | {"Authorization": "Bearer"}, keyed=False
    ),
}
CALLS: dict[str, Bad] = {
    "111 an unknown job": get("job_unknown", f"/status/{NOBODY}"),
    "111 no id of a job": get("path_unknown", "/status/a-b"),
    "111 an id of 100 characters": get("path_unknown", f"/status/{'a' * 100}"),
    "111 an SQL of its own": get("path_unknown", "/status/'%20OR%201=1"),
    "112 cancel of nothing": get("job_unknown", f"/jobs/{NOBODY}/cancel", "POST"),
    "113 a video of nothing": get("job_unknown", f"/jobs/{NOBODY}/video"),
    "114 a limit of 0": get("field_wrong", "/jobs?limit=0"),
    "114 a limit of -1": get("field_wrong", "/jobs?limit=-1"),
    "114 a limit of 1e9": get("field_wrong", "/jobs?limit=1000000000"),
    "114 a limit that is a word": get("field_wrong", "/jobs?limit=many"),
    "114 a bad cursor": get("job_unknown", f"/jobs?after={NOBODY}"),
    "114 a cursor of bytes": get("field_wrong", "/jobs?after=%00"),
    "115 PUT": get("method_unknown", "/jobs", "PUT"),
    "115 TRACE": get("method_unknown", "/health", "TRACE"),
    "115 OPTIONS": get("method_unknown", "/generate", "OPTIONS"),
    "116 two slashes": get("path_unknown", "//jobs"),
    "116 an encoded slash": get("job_unknown", f"/jobs%2F{NOBODY}"),
    "116 dots": get("path_unknown", "/status/%2e%2e/%2e%2e/etc/passwd"),
    "own: a slash at the end": get("path_unknown", "/jobs/"),
    "own: another case of a path": get("path_unknown", "/Jobs"),
    "own: an unknown word in a query": get("field_unknown", "/jobs?page=2"),
    "own: an order of its own": get("field_wrong", "/jobs?order=sideways"),
    "own: a state of ours": get("field_wrong", "/jobs?status=rendered"),
    "own: a thumbnail": get("field_wrong", f"/v1/videos/{NOBODY}/content?variant=thumbnail"),
    "own: characters": get("path_unknown", "/v1/videos/characters", "POST"),
    "own: a remix without a prompt": Bad("job_unknown", {}, path=f"/v1/videos/{NOBODY}/remix"),
    "own: a webhook of nothing": get("job_unknown", f"/jobs/{NOBODY}/webhook", "POST"),
    "own: a state of no webhook": get("field_wrong", "/webhooks?state=lost"),
    "own: a bad cursor of webhooks": get("job_unknown", f"/webhooks?after={NOBODY}"),
    "own: an unknown word of webhooks": get("field_unknown", "/webhooks?order=asc"),
    "own: a page of the admin": get("path_unknown", "/admin"),
    "own: the environment": get("path_unknown", "/.env"),
}
REQUESTS = SHAPE | FIELDS | KEYS | CALLS
