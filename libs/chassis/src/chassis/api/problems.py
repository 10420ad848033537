"""Errors as RFC 9457 ``application/problem+json``: each names the field at fault, and nothing was changed."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from chassis.api.fault_limits import MAX_FAULTS
from chassis.core.errors import ProblemError, ServiceUnavailableError, broken_rule
from chassis.database.database import is_outage
from chassis.telemetry import tracing
from chassis.telemetry.tracing import current_trace_id

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:almanac:problem:"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_BODY_STATUSES = (408, 413)
MAX_FIELD_BYTES = 160
MAX_FAULT_BYTES = 320
MAX_DETAIL_BYTES = 1600
"""Of a problem's texts, which may quote what the client sent. With ten faults an answer stays below 10 kB."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How errors of one class are answered."""

    status: int
    """HTTP status."""
    slug: str
    """Last part of the problem type's URN; published, so it stays."""
    title: str
    """The problem type in words, the same for every occurrence."""


Problems: TypeAlias = Mapping[type[Exception], ProblemType | Callable[[Any], ProblemType]]
"""How a service answers its errors, by class. A subclass that is not listed is answered as its base.

``str(error)`` is the problem's detail. An attribute ``field`` names the field at fault; an attribute ``faults`` has
several of them, each with the rule that was broken.
"""


class FieldError(BaseModel):
    """One fault of a request."""

    field: str = Field(description="Where: a body path, a parameter or a header, as the client spells it.")
    detail: str = Field(description="The rule that was broken.")


def shortened(text: str, max_bytes: int) -> str:
    """Return ``text`` with at most ``max_bytes`` of UTF-8 and an ellipsis, control characters replaced."""
    # Cut first: the text may be a megabyte.
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[: max_bytes + 1])
    if len(encoded := text.encode()) <= max_bytes:
        return text
    return f"{encoded[:max_bytes].decode(errors='ignore')}…"


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Stable URN of the kind of problem.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[], description="The fields at fault.")
    trace_id: str | None = Field(default=None, serialization_alias="traceId")


class InvalidRequestError(ProblemError):
    """Several fields are at fault, or one deep inside."""

    status = 422
    slug = "invalid-request"
    title = "Request not valid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(
            "; ".join(
                f"{shortened(error.field, MAX_FIELD_BYTES)}: {shortened(error.detail, MAX_FAULT_BYTES)}"
                for error in errors[:MAX_FAULTS]
            )
        )
        self.errors = errors


class BodyRefusedError(HTTPException):
    """A body that is refused before it is parsed: an HTTPException, since FastAPI hides others behind a 400."""

    def __init__(self, faults: Sequence[FieldError]) -> None:
        self.problem = InvalidRequestError(faults)
        super().__init__(self.problem.status, str(self.problem))


def problem_response(
    status: int,
    slug: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer; of the faults the first ten are named, and long texts are cut."""
    body = ProblemBody(
        type=TYPE_PREFIX + slug,
        title=title,
        status=status,
        detail=shortened(detail, MAX_DETAIL_BYTES),
        errors=[
            FieldError(field=shortened(each.field, MAX_FIELD_BYTES), detail=shortened(each.detail, MAX_FAULT_BYTES))
            for each in errors[:MAX_FAULTS]
        ],
        trace_id=current_trace_id(),
    )
    content = body.model_dump_json(by_alias=True, exclude_none=True)
    return Response(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def install_handlers(app: FastAPI, problems: Problems) -> None:
    """Answer every error as a problem, the service's own as ``problems`` has them."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ProblemError, _problem)
    for error, kind in problems.items():
        app.add_exception_handler(error, partial(_service_problem, kind))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route or router, for OpenAPI."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem_of(error: ProblemError) -> Response:
    """Return the answer to an error of the chassis."""
    errors = list(error.errors) if isinstance(error, InvalidRequestError) else None
    return _answer(error, ProblemType(error.status, error.slug, error.title), errors, error.headers)


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_of(error)


async def _service_problem(kind: ProblemType | Callable[[Any], ProblemType], _: Request, error: Exception) -> Response:
    return _answer(error, kind if isinstance(kind, ProblemType) else kind(error))


def _answer(
    error: Exception,
    kind: ProblemType,
    errors: Sequence[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    detail, field = str(error) or kind.title, getattr(error, "field", None)
    if errors is None:
        faults = getattr(error, "faults", None) or ([(field, detail)] if field else [])
        errors = [FieldError(field=name, detail=rule) for name, rule in faults]
    return problem_response(kind.status, kind.slug, kind.title, detail, errors, headers)


async def _invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    faults = [_fault(each) for each in found[:MAX_FAULTS]]
    broken = found[0]["type"] == "json_invalid"
    return problem_response(
        400 if broken else 422,
        "malformed-body" if broken else "invalid-request",
        "Body is not JSON" if broken else "Request not valid",
        str(InvalidRequestError(faults)),
        faults,
    )


def _fault(error: Mapping[str, Any]) -> FieldError:
    where, *path = error["loc"]
    if error["type"] == "json_invalid":
        return FieldError(field="body", detail=f"not JSON: {error.get('ctx', {}).get('error', error['msg'])}")
    field = ".".join(str(part) for part in path) or str(where)
    return FieldError(field=field, detail=broken_rule(str(error["msg"])))


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error, BodyRefusedError):
        return problem_of(error.problem)
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == 400:
        # Starlette's answer to a body that is not UTF-8, or not what its content type says.
        detail = "the body cannot be read: it must be JSON in UTF-8"
        return problem_response(
            400, "malformed-body", "Body is not JSON", detail, [FieldError(field="body", detail=detail)]
        )
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        detail = f"this resource takes {allowed}"
        return problem_response(405, "method-not-allowed", phrase, detail, headers={"Allow": allowed})
    slug = phrase.lower().replace(" ", "-")
    errors = [FieldError(field="body", detail=str(error.detail))] if error.status_code in _BODY_STATUSES else []
    return problem_response(error.status_code, slug, phrase, str(error.detail), errors, error.headers)


def _methods_of(request: Request) -> list[str]:
    """Every method of the requested path: its routes may be many, and the router asks only the first that fits."""
    place: Scope = {key: request.scope[key] for key in ("type", "path", "root_path", "headers") if key in request.scope}
    routes = request.app.router.routes
    allowed = [
        method
        for method in _METHODS
        if any(route.matches({**place, "method": method})[0] is Match.FULL for route in routes)
    ]
    if "GET" in allowed and "HEAD" not in allowed:
        allowed.insert(allowed.index("GET") + 1, "HEAD")
    return allowed


def answer_failure(request: Request, error: Exception) -> Response:
    """Log an error that no handler knows, once, and return its answer: 503 if the database is unreachable, else 500."""
    where = {"method": request.method, "path": shortened(request.url.path, MAX_FIELD_BYTES)}
    if is_outage(error) or isinstance(error, PoolTimeoutError):
        log.warning("database away", error=shortened(repr(error), MAX_FAULT_BYTES), **where)
        return problem_of(ServiceUnavailableError("the database does not answer"))
    tracing.record_error(error)
    log.error("request failed", exc_info=error, **where)
    return problem_response(500, "internal", "Internal error", "the server failed; the trace id leads to the reason")
