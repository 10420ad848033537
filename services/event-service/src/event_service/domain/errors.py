"""The errors of event-service, each with its HTTP status and problem type.

::

    EventServiceError
    ├── EventNotFoundError            404
    ├── InvalidRuleError              422
    ├── InvalidTemplateError          422
    ├── PriorityTooLowError           422
    ├── UnknownUserError              404
    ├── ScheduleNotFoundError         404
    ├── StaleScheduleError            412
    ├── DerivedScheduleError          409
    ├── ScheduleEndedError            409
    ├── ExpiryBeforeGraceError        422
    ├── ImpossibleTimeError           422
    ├── LabelMissingError             422
    ├── InvalidItemsError             422
    ├── EventStateError               409
    ├── BroadcastNotFoundError        404
    └── BroadcastStateError           409
"""

from collections.abc import Sequence


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

    field: str

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class InvalidTemplateError(EventServiceError):
    """A message that cannot be filled in."""

    status = 422
    slug = "invalid-template"
    title = "Message cannot be filled in"

    def __init__(self, detail: str, field: str = "message") -> None:
        super().__init__(detail)
        self.field = field


class PriorityTooLowError(EventServiceError):
    """Less urgent than the type can be: a request may raise the priority, never lower it."""

    status = 422
    slug = "priority-too-low"
    title = "Priority below the type's"
    field = "priority"


class UnknownUserError(EventServiceError):
    """No user with this id, or none that user-service has told us of yet."""

    status = 404
    slug = "user-not-found"
    title = "User not found"
    field = "userId"


class ScheduleNotFoundError(EventServiceError):
    """No schedule with this id."""

    status = 404
    slug = "schedule-not-found"
    title = "Schedule not found"
    field = "scheduleId"


class StaleScheduleError(EventServiceError):
    """The schedule has changed since the client read it (RFC 9110 §13.1.1)."""

    status = 412
    slug = "stale-version"
    title = "Changed in the meantime"
    field = "If-Match"


class DerivedScheduleError(EventServiceError):
    """The schedule follows from data that user-service owns: it changes there."""

    status = 409
    slug = "schedule-derived"
    title = "Schedule follows from the user"

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class ScheduleEndedError(EventServiceError):
    """The schedule has no occurrence left to wait for."""

    status = 409
    slug = "schedule-ended"
    title = "Schedule has ended"
    field = "status"


class ExpiryBeforeGraceError(EventServiceError):
    """What fires at the end of its grace would have expired already."""

    status = 422
    slug = "expiry-before-grace"
    title = "Expires before its grace ends"
    field = "expirySeconds"


class ImpossibleTimeError(EventServiceError):
    """An event cannot be at this time: it has passed, is too far ahead, or does not exist where it should be kept."""

    status = 422
    slug = "impossible-time"
    title = "Not possible at this time"

    def __init__(self, detail: str, field: str = "at") -> None:
        super().__init__(detail)
        self.field = field


class LabelMissingError(EventServiceError):
    """The message names a label, and none was given."""

    status = 422
    slug = "label-missing"
    title = "Label missing"
    field = "label"


class InvalidItemsError(EventServiceError):
    """Some items of a batch are refused, so nothing of it was done. ``faults``: each with its field and the rule."""

    status = 422
    slug = "invalid-items"
    title = "Items not valid"

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {rule}" for field, rule in faults))
        self.faults = tuple(faults)


class EventStateError(EventServiceError):
    """What was asked for is not possible in the state in which the event is."""

    status = 409
    slug = "event-state"
    title = "Not possible in this state"
    field = "status"


class BroadcastNotFoundError(EventServiceError):
    """No broadcast with this id."""

    status = 404
    slug = "broadcast-not-found"
    title = "Broadcast not found"
    field = "broadcastId"


class BroadcastStateError(EventServiceError):
    """What was asked for is not possible in the state in which the broadcast is."""

    status = 409
    slug = "broadcast-state"
    title = "Not possible in this state"
    field = "status"


class CalendarFeedNotFoundError(EventServiceError):
    """No calendar feed with this id or token, or one that is revoked."""

    status = 404
    slug = "calendar-feed-not-found"
    title = "Calendar feed not found"
