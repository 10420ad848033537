"""Errors of calls.

::

    AlmanacError
    ├── NotConfiguredError      no address of the service, or no key
    ├── NotReachableError       no response
    ├── UnexpectedAnswerError   a response that does not have the expected fields
    └── ApiError                a problem (RFC 9457)
        └── UnavailableError    502, 503 or 504
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

UNAVAILABLE = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class AlmanacError(Exception):
    """Base of the tree. ``service`` is the name of the service that was called, as ``event-service``."""

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service = service

    def sentence(self) -> str:
        """Return what happened, in a sentence that may be shown to anyone: without addresses."""
        return str(self)


class NotConfiguredError(AlmanacError):
    """The client has no address of the service, or no key. Nothing was sent."""


class NotReachableError(AlmanacError):
    """No response: the service is unreachable, or the connection broke. The request may have taken effect."""

    def sentence(self) -> str:
        """Return that the service does not answer."""
        return f"{self.service} does not answer"


class UnexpectedAnswerError(AlmanacError):
    """The body of the response does not have the expected fields."""


class ApiError(AlmanacError):
    """The service refused a request.

    ``slug`` is the last part of the problem's type, as ``user-not-found``; ``title`` and ``detail`` are the problem's.
    ``faults`` are the fields at fault, each with the rule that it breaks.
    """

    def __init__(
        self,
        service: str,
        status: int,
        slug: str,
        detail: str,
        *,
        title: str,
        faults: Sequence[tuple[str, str]] = (),
        trace_id: str | None = None,
    ) -> None:
        super().__init__(service, f"{status} {slug}: {detail}")
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.faults = faults
        self.trace_id = trace_id

    def sentence(self) -> str:
        """Return the problem's detail, or the status of a server error."""
        if 400 <= self.status < 500:
            return self.detail or self.title
        return f"{self.service} answered with status {self.status}"


class UnavailableError(ApiError):
    """The service, or a proxy before it, answers that it cannot serve now: 502, 503 or 504."""

    def sentence(self) -> str:
        """Return that the service is not available."""
        return f"{self.service} answers that it is not available"


def error_of(service: str, response: httpx.Response) -> ApiError:
    """Build the error of a response whose body has been read.

    A response that is no problem document, such as a proxy's, is described by its status.
    """
    status = response.status_code
    made = UnavailableError if status in UNAVAILABLE else ApiError
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    phrase = response.reason_phrase or f"Status {status}"
    if not isinstance(body, dict) or "type" not in body:
        return made(service, status, "unknown", response.text[:200] or phrase, title=phrase)
    return made(
        service,
        status,
        str(body["type"]).rpartition(":")[2],
        str(body.get("detail") or ""),
        title=str(body.get("title") or phrase),
        faults=[(str(each.get("field")), str(each.get("detail"))) for each in body.get("errors") or ()],
        trace_id=body.get("traceId"),
    )
