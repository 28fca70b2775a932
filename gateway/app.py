"""The application, as tables: routes, middleware, and what answers each kind of error."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from gateway.access import Access
from gateway.capabilities import capabilities
from gateway.generate import generate
from gateway.health import health
from gateway.keys import RequireKey
from gateway.metrics import metrics
from gateway.parts import Parts
from gateway.problems import Problem, answer_problem, answer_routing, answer_store
from gateway.status import status
from jobstore.errors import StoreUnavailable

ROUTES = (
    Route("/capabilities", capabilities, methods=["GET"]),
    Route("/health", health, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    Route("/generate", generate, methods=["POST"]),
    Route("/status/{job_id}", status, methods=["GET"]),
)


def build(parts: Parts) -> Starlette:
    """Build the application over its parts."""
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(Access),
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
