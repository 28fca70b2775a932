"""What the API says when it cannot do as asked: RFC 9457, and `error` for OpenAI's clients."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from gateway.answers import FaultFacts, ProblemFacts
from jobstore.errors import StoreFull, StoreUnavailable

# Every code the API can answer with; the README has the same table, with what to do.
STATUSES: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        "plain_http": HTTPStatus.BAD_REQUEST,
        "request_malformed": HTTPStatus.BAD_REQUEST,
        "json_broken": HTTPStatus.BAD_REQUEST,
        "form_broken": HTTPStatus.BAD_REQUEST,
        "idempotency_key_wrong": HTTPStatus.BAD_REQUEST,
        "key_missing": HTTPStatus.UNAUTHORIZED,
        "key_wrong": HTTPStatus.UNAUTHORIZED,
        "link_wrong": HTTPStatus.FORBIDDEN,
        "job_unknown": HTTPStatus.NOT_FOUND,
        "video_missing": HTTPStatus.NOT_FOUND,
        "path_unknown": HTTPStatus.NOT_FOUND,
        "method_unknown": HTTPStatus.METHOD_NOT_ALLOWED,
        "request_too_slow": HTTPStatus.REQUEST_TIMEOUT,
        "job_unfinished": HTTPStatus.CONFLICT,
        "cancel_too_late": HTTPStatus.CONFLICT,
        "image_lost": HTTPStatus.CONFLICT,
        "webhook_missing": HTTPStatus.CONFLICT,
        "job_deleted": HTTPStatus.GONE,
        "video_expired": HTTPStatus.GONE,
        "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "url_too_long": HTTPStatus.REQUEST_URI_TOO_LONG,
        "media_type_wrong": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "range_wrong": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "field_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
        "field_unknown": HTTPStatus.UNPROCESSABLE_ENTITY,
        "field_wrong": HTTPStatus.UNPROCESSABLE_ENTITY,
        "image_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "image_fetch_failed": HTTPStatus.UNPROCESSABLE_ENTITY,
        "image_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
        "file_wrong": HTTPStatus.UNPROCESSABLE_ENTITY,
        "webhook_refused": HTTPStatus.UNPROCESSABLE_ENTITY,
        "webhook_unsigned": HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
        "request_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "key_tried": HTTPStatus.TOO_MANY_REQUESTS,
        "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
        "key_queue_full": HTTPStatus.TOO_MANY_REQUESTS,
        "key_busy": HTTPStatus.TOO_MANY_REQUESTS,
        "head_too_large": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
        "store_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "storage_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "requests_full": HTTPStatus.SERVICE_UNAVAILABLE,
        "streams_full": HTTPStatus.SERVICE_UNAVAILABLE,
        "pictures_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "disk_full": HTTPStatus.INSUFFICIENT_STORAGE,
    }
)

NAME_LIMIT = 100  # characters of an unknown field that are told


class Fault(NamedTuple):
    """One thing that is wrong with a request; `field` is empty for the request as a whole."""

    field: str
    code: str
    message: str


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Say of each field what is wrong with it and how it would be right."""
    return [fault_of(details, model) for details in error.errors(include_url=False)]


def fault_of(details: Mapping[str, object], model: type[BaseModel]) -> Fault:
    """Say what is wrong with one field; inside of one, the place is told too."""
    place = details["loc"] if isinstance(details["loc"], tuple) else ()
    field = ".".join(str(part) for part in place)[:NAME_LIMIT]
    if details["type"] == "missing":
        return Fault(field, "field_missing", f"{field} is required.")
    if details["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return Fault(field, "field_unknown", f"{field!r} is not a field; there are {known}.")
    said = str(details["msg"]).removeprefix("Value error, ")
    for word in ("Input", "String", "Dictionary"):
        said = said.replace(f"{word} should", "should")
    return Fault(field, "field_wrong", f"{field} {said}.")


class Problem(Exception):
    """The request cannot be done; answered to the caller, with every fault."""

    def __init__(self, faults: Sequence[Fault], headers: Mapping[str, str] | None = None) -> None:
        """Take all faults at once; several of different kinds are a `request_invalid`."""
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = faults
        self.headers = headers
        codes = {fault.code for fault in faults}
        self.code = codes.pop() if len(codes) == 1 else "request_invalid"

    @property
    def is_ours(self) -> bool:
        """Whether it is no fault of the caller's."""
        return STATUSES[self.code] >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be taken later."""
        return self.is_ours or STATUSES[self.code] is HTTPStatus.TOO_MANY_REQUESTS

    @classmethod
    def of(
        cls, code: str, message: str, field: str = "", headers: Mapping[str, str] | None = None
    ) -> "Problem":
        """Make a problem of a single fault."""
        return cls([Fault(field, code, message)], headers)


class Refusal(JSONResponse):
    """An answer that says no; its code is left in the scope, for the log."""

    def __init__(self, code: str, *args: Any, **kwargs: Any) -> None:
        """Keep the code; the rest is that of any answer."""
        super().__init__(*args, **kwargs)
        self.code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and leave the code."""
        scope["code"] = self.code
        await super().__call__(scope, receive, send)


def answer(problem: Problem, request_id: str) -> Response:
    """Write a problem as the body that both RFC 9457 and OpenAI clients understand.

    Client libraries made with Stainless, as those of OpenAI are, send a request again by themselves
    after 409, 429 and 5xx; `x-should-retry` tells them where that is in vain.
    """
    status = STATUSES[problem.code]
    headers = dict(problem.headers or {})
    if problem.is_ours or status in {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["x-should-retry"] = "false" if status is HTTPStatus.CONFLICT else "true"
    body = told(problem, request_id)
    return Refusal(problem.code, body, status, headers, media_type="application/problem+json")


def told(problem: Problem, request_id: str) -> ProblemFacts:
    """Write down a problem with every fault."""
    status = STATUSES[problem.code]
    fields = [
        FaultFacts(field=field, code=code, message=message)
        for field, code, message in problem.faults
        if field
    ]
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": str(problem),
        "code": problem.code,
        "errors": fields,
        "request_id": request_id,
        "error": {
            "message": str(problem),
            "type": "server_error" if problem.is_ours else "invalid_request_error",
            "param": fields[0]["field"] if fields else None,
            "code": problem.code,
        },
    }


async def answer_problem(request: Request, problem: Exception) -> Response:
    """Answer a problem that an endpoint raised."""
    if not isinstance(problem, Problem):
        raise problem
    return answer(problem, request.scope["request_id"])


async def answer_routing(request: Request, error: Exception) -> Response:
    """Answer a path or method that is not in the routes."""
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(methods_at(request)))
        message = f"{path} takes {allowed}, not {request.method}."
        problem = Problem.of("method_unknown", message, headers={"Allow": allowed})
    else:
        problem = Problem.of("path_unknown", f"There is nothing at {path}; /docs has all calls.")
    return answer(problem, request.scope["request_id"])


def methods_at(request: Request) -> set[str]:
    """Tell which methods a path takes; each has a route of its own."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in matching for method in route.methods or ()}


async def answer_store(request: Request, error: Exception) -> Response:
    """Answer while the job store is busy, full or gone: nothing was changed."""
    if not isinstance(error, StoreUnavailable):
        raise error
    return answer(store_problem(error), request.scope["request_id"])


def store_problem(error: StoreUnavailable) -> Problem:
    """Say that the job store cannot be used, and for how long it is no use to ask again."""
    if isinstance(error, StoreFull):
        message = "There is no room for the job; nothing was changed. Make room on the disk."
        return Problem.of("disk_full", message, headers={"Retry-After": "60"})
    message = "The job store cannot be used right now; nothing was changed. Try again shortly."
    return Problem.of("store_unavailable", message, headers={"Retry-After": "5"})
