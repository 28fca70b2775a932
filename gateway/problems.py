"""What the API says when it cannot do as asked: RFC 9457, and `error` for OpenAI's clients."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jobstore.errors import StoreFull, StoreUnavailable

# Every code the API can answer with; the README has the same table, with what to do.
STATUSES: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        "plain_http": HTTPStatus.BAD_REQUEST,
        "request_malformed": HTTPStatus.BAD_REQUEST,
        "json_broken": HTTPStatus.BAD_REQUEST,
        "idempotency_key_wrong": HTTPStatus.BAD_REQUEST,
        "key_missing": HTTPStatus.UNAUTHORIZED,
        "key_wrong": HTTPStatus.UNAUTHORIZED,
        "job_unknown": HTTPStatus.NOT_FOUND,
        "video_missing": HTTPStatus.NOT_FOUND,
        "path_unknown": HTTPStatus.NOT_FOUND,
        "method_unknown": HTTPStatus.METHOD_NOT_ALLOWED,
        "request_too_slow": HTTPStatus.REQUEST_TIMEOUT,
        "job_unfinished": HTTPStatus.CONFLICT,
        "cancel_too_late": HTTPStatus.CONFLICT,
        "image_lost": HTTPStatus.CONFLICT,
        "job_deleted": HTTPStatus.GONE,
        "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "url_too_long": HTTPStatus.REQUEST_URI_TOO_LONG,
        "media_type_wrong": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "range_wrong": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "field_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
        "field_unknown": HTTPStatus.UNPROCESSABLE_ENTITY,
        "field_wrong": HTTPStatus.UNPROCESSABLE_ENTITY,
        "image_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "image_url_disabled": HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
        "request_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "head_too_large": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
        "store_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "storage_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "requests_full": HTTPStatus.SERVICE_UNAVAILABLE,
        "streams_full": HTTPStatus.SERVICE_UNAVAILABLE,
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

    @classmethod
    def of(
        cls, code: str, message: str, field: str = "", headers: Mapping[str, str] | None = None
    ) -> "Problem":
        """Make a problem of a single fault."""
        return cls([Fault(field, code, message)], headers)


def answer(problem: Problem, request_id: str) -> Response:
    """Write a problem as the body that both RFC 9457 and OpenAI clients understand."""
    status = STATUSES[problem.code]
    fields = [fault._asdict() for fault in problem.faults if fault.field]
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": str(problem),
        "code": problem.code,
        "errors": fields,
        "request_id": request_id,
        "error": {
            "message": str(problem),
            "type": kind,
            "param": fields[0]["field"] if fields else None,
            "code": problem.code,
        },
    }
    return JSONResponse(body, status, problem.headers, media_type="application/problem+json")


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
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{path} takes {allowed}, not {request.method}."
        problem = Problem.of("method_unknown", message, headers={"Allow": allowed})
    else:
        problem = Problem.of("path_unknown", f"There is nothing at {path}; see the README's calls.")
    return answer(problem, request.scope["request_id"])


async def answer_store(request: Request, error: Exception) -> Response:
    """Answer while the job store is busy, full or gone: nothing was changed."""
    if not isinstance(error, StoreUnavailable):
        raise error
    if isinstance(error, StoreFull):
        message = "There is no room for the job; nothing was changed. Make room on the disk."
        full = Problem.of("disk_full", message, headers={"Retry-After": "60"})
        return answer(full, request.scope["request_id"])
    message = "The job store cannot be used right now; nothing was changed. Try again shortly."
    problem = Problem.of("store_unavailable", message, headers={"Retry-After": "5"})
    return answer(problem, request.scope["request_id"])
