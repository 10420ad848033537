"""The errors of event-service, each with its HTTP status and problem type.

::

    EventServiceError
    ├── EventNotFoundError            404
    └── InvalidRuleError              422
"""


class EventServiceError(Exception):
    """Base of the tree; ``str(error)`` is the problem's detail."""

    status: int = 500
    slug: str = "internal"
    title: str = "Internal error"
    field: str | None = None


class EventNotFoundError(EventServiceError):
    """No event with this id."""

    status = 404
    slug = "event-not-found"
    title = "Event not found"


class InvalidRuleError(EventServiceError, ValueError):
    """A rule that cannot be kept, or that could never fire. The detail names the part and what is asked of it."""

    status = 422
    slug = "invalid-rule"
    title = "Invalid rule"

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field
