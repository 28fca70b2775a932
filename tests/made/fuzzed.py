"""What schemathesis cannot know from the document: pictures, and rules between requests.

Loaded by the program itself, by the name in SCHEMATHESIS_HOOKS.
"""

import base64
import io
import itertools
import re
from typing import Any

import schemathesis
from hypothesis import strategies as st
from PIL import Image

from gateway.limits import seconds_most
from gateway.sender import KEY
from runner.pocket.architecture import ABILITIES

PARTS = ("image", "input_reference")
numbers = itertools.count()


def picture(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, 16), "red").save(out, "PNG")
    return out.getvalue()


pictures = st.integers(16, 32).map(lambda side: base64.b64encode(picture(side)).decode())
schemathesis.openapi.format("image-base64", pictures)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make true what the document only says in words."""
    if isinstance(case.body, dict):
        mend_body(case.body)
        if case.media_type == "multipart/form-data":
            text_to_file(case.body)
    key = (case.headers or {}).get("Idempotency-Key", "")
    if re.fullmatch(KEY, key):
        case.headers["Idempotency-Key"] = f"{next(numbers)}"


def mend_body(body: dict[str, Any]) -> None:
    """Leave out where pictures could be fetched and ends be told, and make the length a video's."""
    if isinstance(body.get("image_url"), str):
        del body["image_url"]
    if isinstance(body.get("webhook_url"), str):
        del body["webhook_url"]
    if isinstance(body.get("input_reference"), dict):
        del body["input_reference"]
    seconds = body.get("seconds")
    if isinstance(seconds, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", seconds):
        body["seconds"] = "0.5"
    elif isinstance(seconds, int | float) and 0 < seconds <= seconds_most(ABILITIES):
        body["seconds"] = max(round(seconds * 6), 1) / 6


def text_to_file(body: dict[str, Any]) -> None:
    """Send a picture where the document says that one is sent."""
    for part in PARTS:
        if isinstance(body.get(part), str):
            body[part] = picture(20)
