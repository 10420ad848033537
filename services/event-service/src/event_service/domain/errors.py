"""The errors of event-service, as a tree. Their HTTP statuses are in ``api/problems.py``.

::

    EventServiceError
    ├── EventNotFoundError
    ├── InvalidRuleError
    ├── InvalidTemplateError
    ├── PriorityTooLowError
    ├── UnknownUserError
    ├── ScheduleNotFoundError
    ├── StaleScheduleError
    ├── DerivedScheduleError
    ├── ScheduleEndedError
    ├── ExpiryBeforeGraceError
    ├── ImpossibleTimeError
    ├── LabelMissingError
    ├── InvalidItemsError
    ├── EventStateError
    ├── BroadcastNotFoundError
    ├── BroadcastStateError
    └── CalendarFeedNotFoundError
"""

from collections.abc import Sequence


class EventServiceError(Exception):
    """Base of the tree; ``str(error)`` is the explanation."""

    field: str | None = None
    """The field at fault, as clients spell it, or None."""


class EventNotFoundError(EventServiceError):
    """No event with this id."""


class InvalidRuleError(EventServiceError, ValueError):
    """A rule that cannot be kept, or that could never fire. The detail names the part and its rule."""

    field: str

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class InvalidTemplateError(EventServiceError):
    """A message that cannot be filled in."""

    def __init__(self, detail: str, field: str = "message") -> None:
        super().__init__(detail)
        self.field = field


class PriorityTooLowError(EventServiceError):
    """Less urgent than the type can be: a request may raise the priority, never lower it."""

    field = "priority"


class UnknownUserError(EventServiceError):
    """No user with this id, or its message from user-service has not arrived yet."""

    field = "userId"


class ScheduleNotFoundError(EventServiceError):
    """No schedule with this id."""

    field = "scheduleId"


class StaleScheduleError(EventServiceError):
    """The schedule has changed since the client read it (RFC 9110 §13.1.1)."""

    field = "If-Match"


class DerivedScheduleError(EventServiceError):
    """The schedule follows from data that user-service owns: it changes there."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class ScheduleEndedError(EventServiceError):
    """The schedule has no occurrence left to wait for."""

    field = "status"


class ExpiryBeforeGraceError(EventServiceError):
    """What fires at the end of its grace would have expired already."""

    field = "expirySeconds"


class ImpossibleTimeError(EventServiceError):
    """An event cannot be at this time: it has passed, is too far ahead, or does not exist where it should be kept."""

    def __init__(self, detail: str, field: str = "at") -> None:
        super().__init__(detail)
        self.field = field


class LabelMissingError(EventServiceError):
    """The message names a label, and none was given."""

    field = "label"


class InvalidItemsError(EventServiceError):
    """Some items of a batch are refused, so nothing of it was done. ``faults``: each with its field and the rule."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {rule}" for field, rule in faults))
        self.faults = tuple(faults)


class EventStateError(EventServiceError):
    """The request is not possible in the event's current state."""

    field = "status"


class BroadcastNotFoundError(EventServiceError):
    """No broadcast with this id."""

    field = "broadcastId"


class BroadcastStateError(EventServiceError):
    """The request is not possible in the broadcast's current state."""

    field = "status"


class CalendarFeedNotFoundError(EventServiceError):
    """No calendar feed with this id or token, or one that is revoked."""
