"""The API, for Python: send a job, follow it, fetch its video. Needs none of the server's parts."""

import base64
import json
import ssl
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

    def __init__(
        self, url: str, key: str, timeout_s: float = 30, authority: Path | None = None
    ) -> None:
        """Remember where the service is; nothing connects yet.

        Args:
            url: of the service.
            key: that it knows.
            timeout_s: for each answer.
            authority: the only one that is trusted, such as that of `bin/wan22 certificate`.
        """
        self._timeout_s = timeout_s
        self._http = httpx2.Client(
            base_url=url,
            headers={"X-API-Key": key},
            timeout=timeout_s,
            trust_env=may_need_a_proxy(url),
            verify=ssl.create_default_context(cafile=authority) if authority else True,
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

    def capabilities(self) -> Answer:
        """Ask what the model can do, and the limits of a request."""
        return self._answer(self._http.get("/capabilities"))

    def submit(
        self,
        prompt: str,
        image: Path | None = None,
        idempotency_key: str | None = None,
        **wanted: object,
    ) -> Answer:
        """Send a job; its `job_id` is in the answer.

        Args:
            prompt: what the video shows.
            image: a picture that it starts from.
            idempotency_key: a name for this job; sent again with it, it is not made again.
            wanted: the other fields of a request (`seed=7`, `size="704x1280"`); None is left out.

        Raises:
            Refused: the service says what is wrong with it.
        """
        body: Answer = {"prompt": prompt}
        body |= {name: value for name, value in wanted.items() if value is not None}
        if image:
            body["image_base64"] = base64.b64encode(image.read_bytes()).decode()
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._answer(self._http.post("/generate", json=body, headers=headers))

    def status(self, job_id: str, wait_s: int = 0) -> Answer:
        """Ask how far a job is; with `wait_s`, only once it has ended or so many seconds passed."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        patience_s = self._timeout_s + wait_s
        response = self._http.get(f"/status/{job_id}", headers=headers, timeout=patience_s)
        return self._answer(response)

    def jobs(self, **query: str | int) -> Iterator[Answer]:
        """List all jobs, the newest first, page after page.

        Args:
            query: `status`, `order` ("asc": the oldest first), `limit` (of a page), `after`.
        """
        yield from self._pages("/jobs", query)

    def cancel(self, job_id: str) -> Answer:
        """Cancel a job; one that is being rendered ends a little later."""
        return self._answer(self._http.post(f"/jobs/{job_id}/cancel"))

    def retry(self, job_id: str) -> Answer:
        """Make a new job of one that has ended; its `job_id` is in the answer."""
        return self._answer(self._http.post(f"/jobs/{job_id}/retry"))

    def delete(self, job_id: str) -> Answer:
        """Delete a job that has ended, and its video."""
        return self._answer(self._http.delete(f"/jobs/{job_id}"))

    def webhooks(self, **query: str | int) -> Iterator[Answer]:
        """List webhooks that did not get through, page after page.

        Args:
            query: `state` ("dead", "owed" or "delivering"), `limit` (of a page), `after`.
        """
        yield from self._pages("/webhooks", query)

    def resend(self, job_id: str) -> Answer:
        """Send the webhook of a job that has ended once more."""
        return self._answer(self._http.post(f"/jobs/{job_id}/webhook"))

    def events(self, job_id: str, after: int = 0) -> Iterator[tuple[str, Answer]]:
        """Hear what happens to a job (`state`, `progress`, `ended`), as it happens.

        Args:
            job_id: of which job.
            after: how many changes of state are known already.
        """
        headers = {"Last-Event-ID": str(after)}
        with self._http.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
            if response.is_error:
                response.read()
                self._answer(response)
            name = ""
            for line in response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def video(self, job_id: str, file: Path) -> None:
        """Download the video of a completed job from the service itself.

        Raises:
            Refused: the service says why there is none.
        """
        with self._http.stream("GET", f"/jobs/{job_id}/video") as response:
            if response.is_error:
                response.read()
                self._answer(response)
            keep(response, file)

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
        trust_env = may_need_a_proxy(video_url)
        with httpx2.stream("GET", video_url, timeout=30, trust_env=trust_env) as response:
            response.raise_for_status()
            keep(response, file)

    def _pages(self, path: str, query: dict[str, str | int]) -> Iterator[Answer]:
        while True:
            page = self._answer(self._http.get(path, params=query))
            yield from page["data"]
            if not page["has_more"]:
                return
            query["after"] = page["last_id"]

    @staticmethod
    def _answer(response: httpx2.Response) -> Answer:
        body: Answer = response.json()
        if response.is_error:
            raise Refused(body.get("detail") or f"The service answered {response.status_code}.")
        return body


def keep(response: httpx2.Response, file: Path) -> None:
    """Write what comes into a file that appears whole."""
    work = file.with_name(f".{file.name}.part")
    with work.open("wb") as out:
        for chunk in response.iter_bytes():
            out.write(chunk)
    work.replace(file)


def may_need_a_proxy(url: str) -> bool:
    """Tell whether the proxies of the environment apply: not on the way to this same machine."""
    return httpx2.URL(url).host not in LOOPBACK
