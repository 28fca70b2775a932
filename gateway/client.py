"""The API, for Python: send a job, follow it, fetch its video. Needs none of the server's parts."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx2

from jobstore.moves import TERMINAL

Answer = dict[str, Any]
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Refused(Exception):
    """The service said no; the message is what it said."""


class Unfinished(TimeoutError):
    """The job had not ended when patience did; it goes on, and can be followed again."""


class Client:
    """One wan22 service."""

    def __init__(self, url: str, key: str, timeout_s: float = 30) -> None:
        """Remember where the service is; nothing connects yet."""
        self._http = httpx2.Client(
            base_url=url,
            headers={"X-API-Key": key},
            timeout=timeout_s,
            trust_env=may_need_a_proxy(url),
        )

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._http.close()

    def health(self) -> Answer:
        """Ask how the service is."""
        return self._answer(self._http.get("/health"))

    def submit(
        self,
        prompt: str,
        image: Path | None = None,
        seed: int | None = None,
        preset: str | None = None,
    ) -> Answer:
        """Send a job; its `job_id` is in the answer.

        Raises:
            Refused: the service says what is wrong with it.
        """
        body: Answer = {"prompt": prompt}
        if image:
            body["image_base64"] = base64.b64encode(image.read_bytes()).decode()
        if seed is not None:
            body["seed"] = seed
        if preset:
            body["preset"] = preset
        return self._answer(self._http.post("/generate", json=body))

    def status(self, job_id: str) -> Answer:
        """Ask how far a job is."""
        return self._answer(self._http.get(f"/status/{job_id}"))

    def follow(
        self, job_id: str, every_s: float = 0.25, patience_s: float | None = None
    ) -> Iterator[Answer]:
        """Tell how far a job is, again and again, until it has ended.

        Raises:
            Unfinished: it has not, after `patience_s`; without that there is no limit.
        """
        began = time.monotonic()
        while True:
            status = self.status(job_id)
            yield status
            if status["status"] in TERMINAL:
                return
            if patience_s is not None and time.monotonic() - began > patience_s:
                message = f"Job {job_id} is {status['status']} after {patience_s:g} s; ask again."
                raise Unfinished(message)
            time.sleep(every_s)

    @staticmethod
    def fetch(video_url: str, file: Path) -> None:
        """Download a video by its signed link; the link is enough, no key goes with it."""
        work = file.with_name(f".{file.name}.part")
        trust_env = may_need_a_proxy(video_url)
        with (
            httpx2.stream("GET", video_url, timeout=30, trust_env=trust_env) as response,
            work.open("wb") as out,
        ):
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


def may_need_a_proxy(url: str) -> bool:
    """Tell whether the proxies of the environment apply: not on the way to this same machine."""
    return httpx2.URL(url).host not in LOOPBACK
