"""Errors as RFC 9457 ``application/problem+json``: each names the field at fault, and nothing was changed."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chassis.database import is_outage
from chassis.errors import Problem, ProblemError, ServiceUnavailableError
from chassis.telemetry.tracing import current_trace_id

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:almanac:problem:"


class FieldError(BaseModel):
    """One fault of a request."""

    field: str = Field(description="Where: a body path, a parameter or a header, as the client spells it.")
    detail: str = Field(description="The rule that was broken.")


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Stable URN of the kind of problem.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[], description="The fields at fault.")
    trace_id: str | None = Field(default=None, serialization_alias="traceId")


def problem_response(
    status: int,
    slug: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = ProblemBody(
        type=TYPE_PREFIX + slug,
        title=title,
        status=status,
        detail=detail,
        errors=list(errors),
        trace_id=current_trace_id(),
    )
    content = body.model_dump_json(by_alias=True, exclude_none=True)
    return Response(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def install_handlers(app: FastAPI, service_error: type[Exception] | None) -> None:
    """Answer every error as a problem. ``service_error`` is the root of the service's own tree (a :class:`Problem`)."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ProblemError, _problem)
    if service_error is not None:
        app.add_exception_handler(service_error, _problem)
    app.add_exception_handler(Exception, _unexpected)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route or router, for OpenAPI."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    detail = str(error) or error.title
    errors = [FieldError(field=error.field, detail=detail)] if error.field else []
    return problem_response(error.status, error.slug, error.title, detail, errors, getattr(error, "headers", None))


async def _invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [_fault(each) for each in error.errors()]
    broken = any(each["type"] == "json_invalid" for each in error.errors())
    return problem_response(
        400 if broken else 422,
        "malformed-body" if broken else "invalid-request",
        "Body is not JSON" if broken else "Request not valid",
        "; ".join(f"{fault.field}: {fault.detail}" for fault in faults),
        faults,
    )


def _fault(error: Mapping[str, Any]) -> FieldError:
    where, *path = error["loc"]
    if error["type"] == "json_invalid":
        return FieldError(field="body", detail=f"not JSON: {error.get('ctx', {}).get('error', error['msg'])}")
    field = ".".join(str(part) for part in path) or str(where)
    detail = str(error["msg"]).removeprefix("Value error, ")
    return FieldError(field=field, detail=detail)


async def _http(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == 400:
        # Starlette's answer to a body that is not UTF-8, or not what its content type says.
        detail = "the body cannot be read: it must be JSON in UTF-8"
        return problem_response(
            400, "malformed-body", "Body is not JSON", detail, [FieldError(field="body", detail=detail)]
        )
    slug = phrase.lower().replace(" ", "-")
    return problem_response(error.status_code, slug, phrase, str(error.detail), headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    if is_outage(error) or isinstance(error, PoolTimeoutError):
        log.warning("database away", method=request.method, path=request.url.path, error=repr(error))
        unavailable = ServiceUnavailableError("the database does not answer")
        return await _problem(request, unavailable)
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(500, "internal", "Internal error", "the server failed; the trace id leads to the reason")
