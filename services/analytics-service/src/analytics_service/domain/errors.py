"""The errors of analytics-service, each with its HTTP status and problem type.

::

    AnalyticsServiceError
    ├── EventNotFoundError            404
    ├── UserNotFoundError             404
    ├── AlertNotFoundError            404
    ├── SilenceNotFoundError          404
    ├── AlertNotFiringError           409
    ├── SilencePastError              422
    ├── RangeTooLongError             422
    └── PeerError                     502
        ├── PeerRefusedError          as answered, or 502
        ├── PeerUnknownError          503
        └── PeerAwayError             503
            └── PeerUnavailableError  503
"""

from collections.abc import Sequence


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


class AlertNotFoundError(AnalyticsServiceError):
    """No such alert, or it was resolved long ago."""

    status = 404
    slug = "alert-not-found"
    title = "Alert not found"


class SilenceNotFoundError(AnalyticsServiceError):
    """No such silence."""

    status = 404
    slug = "silence-not-found"
    title = "Silence not found"


class AlertNotFiringError(AnalyticsServiceError):
    """Only an alert that fires can be acknowledged."""

    status = 409
    slug = "alert-not-firing"
    title = "Alert does not fire"


class SilencePastError(AnalyticsServiceError):
    """A silence that would end before it begins."""

    status = 422
    slug = "silence-past"
    title = "Silence is over"
    field = "until"


class PeerError(AnalyticsServiceError):
    """Another service did not do its part."""

    status = 502
    slug = "service-failed"
    title = "Another service failed"


class PeerRefusedError(PeerError):
    """Another service refused the request; the problem is the one that it answered with.

    Args:
        status: HTTP status to answer with.
        faults: fields at fault, each with the rule that was broken.
    """

    def __init__(
        self, detail: str, *, status: int, slug: str, title: str, faults: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.title = title
        self.faults = tuple(faults)


class PeerUnknownError(PeerError):
    """No address of that service is configured, or no key to it."""

    status = 503
    slug = "service-not-configured"
    title = "Another service is not configured"


class PeerAwayError(PeerError):
    """That service does not answer, or not in time; the same request may succeed in a moment."""

    status = 503
    slug = "service-away"
    title = "Another service does not answer"


class PeerUnavailableError(PeerAwayError):
    """That service answers, but that it cannot: its database is away."""
