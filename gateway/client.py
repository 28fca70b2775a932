"""The API, for Python: send a job, follow it, fetch its video. Needs none of the server's parts."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2

from jobstore.moves import TERMINAL

Answer = dict[str, Any]


class Refused(Exception):
    """The service said no; the message is what it said."""


class Client:
    """One wan22 service."""

    def __init__(self, url: str, key: str, timeout_s: float = 30) -> None:
        """Remember where the service is; nothing connects yet."""
        self._http = httpx2.Client(base_url=url, headers={"X-API-Key": key}, timeout=timeout_s)

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._http.close()

    def health(self) -> Answer:
        """Ask how the service is."""
        return self._answer(self._http.get("/health"))

    def submit(self, prompt: str, image: Path | None = None, seed: int | None = None) -> Answer:
        """Send a job; its `job_id` is in the answer.

        Raises:
            Refused: the service says what is wrong with it.
        """
        body: Answer = {"prompt": prompt}
        if image:
            body["image_base64"] = base64.b64encode(image.read_bytes()).decode()
        if seed is not None:
            body["seed"] = seed
        return self._answer(self._http.post("/generate", json=body))

    def status(self, job_id: str) -> Answer:
        """Ask how far a job is."""
        return self._answer(self._http.get(f"/status/{job_id}"))

    def follow(self, job_id: str, every_s: float = 0.25) -> Iterator[Answer]:
        """Tell how far a job is, again and again, until it has ended."""
        while True:
            status = self.status(job_id)
            yield status
            if status["status"] in TERMINAL:
                return
            time.sleep(every_s)

    @staticmethod
    def fetch(video_url: str, file: Path) -> None:
        """Download a video by its signed link; the link is enough, no key goes with it."""
        work = file.with_name(f".{file.name}.part")
        with httpx2.stream("GET", video_url, timeout=30) as response, work.open("wb") as out:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                out.write(chunk)
        work.replace(file)

    @staticmethod
    def _answer(response: httpx2.Response) -> Answer:
        body: Answer = response.json()
        if response.is_error:
            raise Refused(body.get("detail") or f"The service answered {response.status_code}.")
        return body
