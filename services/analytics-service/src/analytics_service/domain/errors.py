"""The errors of analytics-service, as a tree. Their HTTP statuses are in ``api/problems.py``.

::

    AnalyticsServiceError
    ├── EventNotFoundError
    ├── UserNotFoundError
    ├── AlertNotFoundError
    ├── SilenceNotFoundError
    ├── AlertNotFiringError
    ├── SilencePastError
    ├── RangeTooLongError
    └── PeerError
        ├── PeerRefusedError
        ├── PeerUnknownError
        └── PeerAwayError
            └── PeerUnavailableError
"""

from collections.abc import Sequence


class AnalyticsServiceError(Exception):
    """Base of the tree; ``str(error)`` is the explanation."""

    field: str | None = None
    """The field at fault, as clients spell it, or None."""


class EventNotFoundError(AnalyticsServiceError):
    """The event is unknown, or its timeline is past retention."""


class UserNotFoundError(AnalyticsServiceError):
    """No event of this user has ended, or the user was deleted."""


class RangeTooLongError(AnalyticsServiceError):
    """A range of time that cannot be answered at once."""

    field = "from"


class AlertNotFoundError(AnalyticsServiceError):
    """No such alert, or it was resolved long ago."""


class SilenceNotFoundError(AnalyticsServiceError):
    """No such silence."""


class AlertNotFiringError(AnalyticsServiceError):
    """Only an alert that fires can be acknowledged."""


class SilencePastError(AnalyticsServiceError):
    """A silence that would end before it begins."""

    field = "until"


class ServiceClientError(AnalyticsServiceError):
    """Another service did not do its part."""


class RequestRefusedError(ServiceClientError):
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


class ServiceNotConfiguredError(ServiceClientError):
    """No address of that service is configured, or no key to it."""


class ServiceUnreachableError(ServiceClientError):
    """That service does not answer, or not in time; the same request may succeed in a moment."""


class ServiceUnreadyError(ServiceUnreachableError):
    """That service answers, but that it cannot: its database is unreachable."""
