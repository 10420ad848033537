"""The errors of analytics-service, as a tree. Their HTTP statuses are in ``api/problems.py``.

::

    AnalyticsServiceError
    ├── EventNotFoundError
    ├── UserNotFoundError
    ├── AlertNotFoundError
    ├── SilenceNotFoundError
    ├── AlertNotFiringError
    ├── SilencePastError
    └── RangeTooLongError
"""


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
