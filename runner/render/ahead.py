"""While one job denoises: encoding the prompt of the next, so that it need not wait for that."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import StoreUnavailable
from jobstore.job import Phase
from jobstore.views import Views
from runner.render import film
from runner.render.model import Model

log = get_logger()


class Unwanted(Exception):
    """The stage stops: it will not render the next job."""


class Ahead:
    """One look at the next job at a time, in a thread of its own.

    Nothing is claimed for it: whoever gets the job finds its embeddings on the disk. Of a picture
    there is nothing to prepare: it lies on the disk since the job was accepted.
    """

    def __init__(self, model: Model, views: Views, stopping: threading.Event) -> None:
        """Look into a store, and encode with a model, until the stage stops."""
        self._model = model
        self._views = views
        self._stopping = stopping
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._looking: Future[None] | None = None
        self._seen = ""

    def look(self) -> None:
        """Begin to prepare the next job, unless that is done or under way."""
        if self._looking is None or self._looking.done():
            self._looking = self._thread.submit(self._prepare)

    def settle(self) -> None:
        """Wait until nothing is under way any more."""
        if self._looking:
            self._looking.result()

    def _prepare(self) -> None:
        """Encode what the next job will ask for; should it fail, that job meets it again itself."""
        try:
            job = self._views.next_due(now_ms())
            if job and job.job_id != self._seen:
                self._seen = job.job_id
                film.encode_prompt(self._model, job.request, self._tell)
        except (OSError, StoreUnavailable, torch.OutOfMemoryError) as error:
            log.warning("prompt.unprepared", error=str(error))
        except Unwanted:
            pass

    def _tell(self, _phase: Phase, _done: int) -> None:
        if self._stopping.is_set():
            raise Unwanted
