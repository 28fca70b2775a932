"""Calls a service as a user of OpenAI's package for Python does, and prints what came of each.

OPENAI_BASE_URL and OPENAI_API_KEY say where; the argument is a picture.
"""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import APIError, OpenAI

PROMPT = "a red circle moves right"
client = OpenAI()


def said(call: Callable[[], Any]) -> dict[str, Any]:
    """Tell which exception a call ends with, and what a user reads in it."""
    try:
        call()
    except APIError as error:
        return {"raised": type(error).__name__, "message": error.message, "code": error.code}
    return {"raised": None}


def main(picture: Path) -> dict[str, Any]:
    videos: Any = client.videos  # its types know only OpenAI's own lengths and sizes
    done = videos.create_and_poll(
        prompt=PROMPT, seconds="0.5", size="128x128", extra_body={"steps": 2}
    )
    content = videos.download_content(done.id).read()
    with_file = videos.create(
        prompt=PROMPT, input_reference=picture, extra_body={"seed": 7, "metadata": {"shot": "3"}}
    )
    too_early = said(lambda: videos.download_content(with_file.id))
    remix = videos.remix(done.id, prompt="a blue square grows")
    pages = [video.id for video in videos.list(limit=2)]
    gone = videos.create_and_poll(prompt=PROMPT, extra_body={"preset": "draft"})
    deleted = videos.delete(gone.id)
    return {
        "done": done.model_dump(),
        "content": [len(content), content[4:8].decode()],
        "with_file": with_file.model_dump(),
        "remix": remix.model_dump(),
        "pages": pages,
        "deleted": deleted.model_dump(),
        "deleted_again": said(lambda: videos.retrieve(gone.id)),
        "wrong_key": said(OpenAI(api_key="wrong").videos.list),
        "unknown": said(lambda: videos.retrieve("01ARZ3NDEKTSV4RRFFQ69G5FAV")),
        "illegal_size": said(lambda: videos.create(prompt=PROMPT, size="720x1280")),
        "no_picture": said(lambda: videos.create(prompt=PROMPT, input_reference=io.BytesIO(b"no"))),
        "too_early": too_early,
        "no_such_call": said(lambda: videos.create_character(name="a", video=io.BytesIO(b"v"))),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
