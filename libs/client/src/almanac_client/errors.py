"""What a call can fail with.

::

    AlmanacError
    ├── ApiError            the service answered with a problem (RFC 9457)
    └── NotReachableError   it did not answer
"""

from collections.abc import Sequence
from typing import Any, Self

import httpx


class AlmanacError(Exception):
    """Base of the tree."""


class NotReachableError(AlmanacError):
    """No answer: the service is unavailable, or the connection broke. The request may have taken effect."""


class ApiError(AlmanacError):
    """The service refused a request.

    ``slug`` is the last part of the problem's type, as ``user-not-found``; ``faults`` are the fields at fault with the
    rule that each breaks.
    """

    def __init__(
        self, status: int, slug: str, detail: str, faults: Sequence[tuple[str, str]], trace_id: str | None
    ) -> None:
        super().__init__(f"{status} {slug}: {detail}")
        self.status = status
        self.slug = slug
        self.detail = detail
        self.faults = faults
        self.trace_id = trace_id

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Of a response whose body has been read. A response that is no problem document, such as a proxy's, is
        described by its status."""
        try:
            body: Any = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "type" not in body:
            return cls(response.status_code, "unknown", response.text[:200] or response.reason_phrase, (), None)
        faults = [(str(each.get("field")), str(each.get("detail"))) for each in body.get("errors", [])]
        slug = str(body["type"]).rpartition(":")[2]
        return cls(response.status_code, slug, str(body.get("detail", "")), faults, body.get("traceId"))
