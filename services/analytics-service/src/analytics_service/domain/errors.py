"""The errors of analytics-service, each with its HTTP status and problem type.

::

    AnalyticsServiceError
    ├── EventNotFoundError            404
    ├── UserNotFoundError             404
    └── RangeTooLongError             422
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


class UserNotFoundError(AnalyticsServiceError):
    """No event of this user has ended, or the user was deleted."""

    status = 404
    slug = "user-not-found"
    title = "User not found"


class RangeTooLongError(AnalyticsServiceError):
    """A range of time that cannot be answered at once."""

    status = 422
    slug = "range-too-long"
    title = "Range of time not valid"
    field = "from"
