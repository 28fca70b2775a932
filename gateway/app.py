"""The application, as tables: routes, middleware, and what answers each kind of error."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from gateway.access import Access
from gateway.bounds import Bounds
from gateway.capabilities import capabilities
from gateway.events import events
from gateway.generate import generate
from gateway.health import health
from gateway.jobs import cancel, delete, list_jobs, retry
from gateway.keys import RequireKey
from gateway.metrics import metrics
from gateway.pace import Pace
from gateway.parts import Parts
from gateway.patience import Patience
from gateway.problems import Problem, answer_problem, answer_routing, answer_store
from gateway.secured import Secured
from gateway.status import status
from gateway.video import video
from jobstore.errors import StoreUnavailable


class JobId(Convertor[str]):
    """What may stand for a job in a path; with anything else there is nothing at it."""

    regex = "[0-9A-Za-z]{1,40}"

    def convert(self, value: str) -> str:
        """Take it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Give it as it is."""
        return value


register_url_convertor("job", JobId())

ROUTES = (
    Route("/capabilities", capabilities, methods=["GET"]),
    Route("/health", health, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    Route("/generate", generate, methods=["POST"]),
    Route("/status/{job_id:job}", status, methods=["GET"]),
    Route("/jobs", list_jobs, methods=["GET"]),
    Route("/jobs/{job_id:job}", status, methods=["GET"]),
    Route("/jobs/{job_id:job}", delete, methods=["DELETE"]),
    Route("/jobs/{job_id:job}/cancel", cancel, methods=["POST"]),
    Route("/jobs/{job_id:job}/retry", retry, methods=["POST"]),
    Route("/jobs/{job_id:job}/events", events, methods=["GET"]),
    Route("/jobs/{job_id:job}/video", video, methods=["GET"]),
)


def build(parts: Parts) -> Starlette:
    """Build the application over its parts."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        """Hear of the changes of the store as long as the application runs."""
        with parts.changes.followed(parts.store.database):
            yield

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(Secured),
            Middleware(Access),
            Middleware(Bounds, requests=Patience.requests),
            Middleware(Pace, patience=Patience()),
            Middleware(RequireKey, secret=parts.settings.api_secret_key),
        ],
        exception_handlers={
            Problem: answer_problem,
            StoreUnavailable: answer_store,
            HTTPException: answer_routing,
        },
    )
    app.state.parts = parts
    return app
