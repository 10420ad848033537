"""The errors of analytics-service, each with its HTTP status and problem type.

::

    AnalyticsServiceError
    └── EventNotFoundError            404
"""


class AnalyticsServiceError(Exception):
    """Base of the tree; ``str(error)`` is the problem's detail."""

    status: int = 500
    slug: str = "internal"
    title: str = "Internal error"
    field: str | None = None


class EventNotFoundError(AnalyticsServiceError):
    """Nothing was heard of this event, or its timeline is past retention."""

    status = 404
    slug = "event-not-found"
    title = "Event not found"
