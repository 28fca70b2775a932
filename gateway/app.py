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
from gateway.calls import CALLS
from gateway.docs import page
from gateway.keys import RequireKey
from gateway.openapi import document
from gateway.pace import Pace
from gateway.parts import Parts
from gateway.patience import Patience
from gateway.problems import Problem, answer_problem, answer_routing, answer_store
from gateway.secured import Secured
from gateway.served import Serving
from jobstore.errors import StoreUnavailable


class JobId(Convertor[str]):
    """What may stand for a job in a path; with anything else there is nothing at it.

    Under `/v1/videos/` OpenAI has three calls where a job stands, and they are not offered.
    """

    regex = r"(?!(?:characters|edits|extensions)\b)[0-9A-Za-z]{1,40}"

    def convert(self, value: str) -> str:
        """Take it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Give it as it is."""
        return value


register_url_convertor("job", JobId())

ROUTES = tuple(
    Route(call.path, call.endpoint, methods=[call.method], name=call.name) for call in CALLS
)
OPEN_PATHS = frozenset(call.path for call in CALLS if call.is_open)


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
            Middleware(RequireKey, parts, OPEN_PATHS),
            Middleware(Serving, parts.served),
        ],
        exception_handlers={
            Problem: answer_problem,
            StoreUnavailable: answer_store,
            HTTPException: answer_routing,
        },
    )
    app.router.redirect_slashes = False  # a key would follow, wherever the Host header says
    app.state.parts = parts
    app.state.document = document(CALLS, parts.abilities)
    app.state.page = page(app.state.document)
    return app
