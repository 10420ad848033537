"""The chassis' errors that a caller over HTTP can meet, as a tree.

::

    ProblemError
    ├── UnauthenticatedError          401
    ├── ForbiddenError                403
    ├── ResourceNotFoundError         404
    ├── PreconditionRequiredError     428
    ├── InvalidParameterError         422
    │   └── ExclusiveParametersError  422
    ├── IdempotencyKeyReusedError     422
    └── ServiceUnavailableError       503

The errors of a service know no HTTP: their statuses are in its ``api/problems.py``.
"""

import re
from typing import ClassVar

_TEXT_LENGTH = re.compile(r"Value should have at (most|least) (\d+) item(s?) after validation, not (\d+)")


def broken_rule(message: str) -> str:
    """Return the rule that a message of pydantic states, in the words of the APIs.

    Pydantic counts "items" of a text whose length is checked after it was trimmed.
    """
    return _TEXT_LENGTH.sub(r"must have at \1 \2 character\3, not \4", message.removeprefix("Value error, "))


class ProblemError(Exception):
    """Base of the tree. ``str(error)`` is the problem's detail."""

    status: int = 500
    """HTTP status."""
    slug: str = "internal"
    """Last part of the problem type's URN; published, so it stays."""
    title: str = "Internal error"
    """The problem type in words, the same for every occurrence."""
    field: str | None = None
    """The request's field that is at fault, as the client spells it, or None."""
    headers: ClassVar[dict[str, str]] = {}


class UnauthenticatedError(ProblemError):
    """No bearer key, or an unknown one (RFC 6750)."""

    status = 401
    slug = "unauthenticated"
    title = "Authentication required"
    field = "Authorization"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="almanac"'}


class ForbiddenError(ProblemError):
    """The key lacks a scope."""

    status = 403
    slug = "forbidden"
    title = "Scope missing"
    field = "Authorization"


class ResourceNotFoundError(ProblemError):
    """No such resource."""

    status = 404
    slug = "not-found"
    title = "Not found"


class DeadLetterErasedError(ProblemError):
    """A dead letter whose body held data of a user who was deleted since."""

    status = 409
    slug = "dead-letter-erased"
    title = "Dead letter erased"


class PreconditionRequiredError(ProblemError):
    """An update without ``If-Match`` (RFC 6585)."""

    status = 428
    slug = "precondition-required"
    title = "If-Match required"
    field = "If-Match"


class InvalidParameterError(ProblemError):
    """A parameter or header is well-formed for HTTP, but not for us."""

    status = 422
    slug = "invalid-request"
    title = "Request not valid"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class ExclusiveParametersError(InvalidParameterError):
    """Each is valid, but not beside the other."""

    slug = "exclusive-parameters"
    title = "Parameters exclude each other"


class IdempotencyKeyReusedError(ProblemError):
    """The same ``Idempotency-Key`` with another request."""

    status = 422
    slug = "idempotency-key-reused"
    title = "Idempotency-Key used for another request"
    field = "Idempotency-Key"

    def __init__(self) -> None:
        super().__init__("this key came with another request before; use a new key for a new request")


class ServiceUnavailableError(ProblemError):
    """A dependency is unreachable; the same request may succeed in a moment."""

    status = 503
    slug = "unavailable"
    title = "Temporarily unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}
