"""How the errors of analytics-service are answered: HTTP status, problem type and title."""

from analytics_service.domain.errors import (
    AlertNotFiringError,
    AlertNotFoundError,
    EventNotFoundError,
    RangeTooLongError,
    SilenceNotFoundError,
    SilencePastError,
    UserNotFoundError,
)
from chassis.api.problems import Problems, ProblemType

PROBLEMS: Problems = {
    EventNotFoundError: ProblemType(404, "event-not-found", "Event not found"),
    UserNotFoundError: ProblemType(404, "user-not-found", "User not found"),
    RangeTooLongError: ProblemType(422, "range-too-long", "Range of time not valid"),
    AlertNotFoundError: ProblemType(404, "alert-not-found", "Alert not found"),
    SilenceNotFoundError: ProblemType(404, "silence-not-found", "Silence not found"),
    AlertNotFiringError: ProblemType(409, "alert-not-firing", "Alert does not fire"),
    SilencePastError: ProblemType(422, "silence-past", "Silence is over"),
}
