"""How the errors of analytics-service are answered: HTTP status, problem type and title."""

from analytics_service.domain.errors import (
    AlertNotFiringError,
    AlertNotFoundError,
    EventNotFoundError,
    PeerAwayError,
    PeerError,
    PeerRefusedError,
    PeerUnknownError,
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
    PeerError: ProblemType(502, "service-failed", "Another service failed"),
    PeerUnknownError: ProblemType(503, "service-not-configured", "Another service is not configured"),
    PeerAwayError: ProblemType(503, "service-away", "Another service does not answer"),
    # As the other service answered.
    PeerRefusedError: lambda error: ProblemType(error.status, error.slug, error.title),
}
