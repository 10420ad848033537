"""The errors of event-service, each with its HTTP status and problem type.

::

    EventServiceError
    └── EventNotFoundError            404
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
