"""How the errors of event-service are answered: HTTP status, problem type and title."""

from chassis.api.problems import Problems, ProblemType
from event_service.domain.errors import (
    BroadcastNotFoundError,
    BroadcastStateError,
    CalendarFeedNotFoundError,
    DerivedScheduleError,
    EventNotFoundError,
    EventStateError,
    ExpiryBeforeGraceError,
    ImpossibleTimeError,
    InvalidItemsError,
    InvalidRuleError,
    InvalidTemplateError,
    LabelMissingError,
    PriorityTooLowError,
    ScheduleEndedError,
    ScheduleNotFoundError,
    StaleScheduleError,
    UnknownUserError,
)

PROBLEMS: Problems = {
    EventNotFoundError: ProblemType(404, "event-not-found", "Event not found"),
    InvalidRuleError: ProblemType(422, "invalid-rule", "Invalid rule"),
    InvalidTemplateError: ProblemType(422, "invalid-template", "Message cannot be filled in"),
    PriorityTooLowError: ProblemType(422, "priority-too-low", "Priority below the type's"),
    UnknownUserError: ProblemType(404, "user-not-found", "User not found"),
    ScheduleNotFoundError: ProblemType(404, "schedule-not-found", "Schedule not found"),
    StaleScheduleError: ProblemType(412, "stale-version", "Changed in the meantime"),
    DerivedScheduleError: ProblemType(409, "schedule-derived", "Schedule follows from the user"),
    ScheduleEndedError: ProblemType(409, "schedule-ended", "Schedule has ended"),
    ExpiryBeforeGraceError: ProblemType(422, "expiry-before-grace", "Expires before its grace ends"),
    ImpossibleTimeError: ProblemType(422, "impossible-time", "Not possible at this time"),
    LabelMissingError: ProblemType(422, "label-missing", "Label missing"),
    InvalidItemsError: ProblemType(422, "invalid-items", "Items not valid"),
    EventStateError: ProblemType(409, "event-state", "Not possible in this state"),
    BroadcastNotFoundError: ProblemType(404, "broadcast-not-found", "Broadcast not found"),
    BroadcastStateError: ProblemType(409, "broadcast-state", "Not possible in this state"),
    CalendarFeedNotFoundError: ProblemType(404, "calendar-feed-not-found", "Calendar feed not found"),
}
