"""How the errors of analytics-service are answered: HTTP status, problem type and title."""

from analytics_service.domain.errors import (
    AlertNotFiringError,
    AlertNotFoundError,
    EventNotFoundError,
    RangeTooLongError,
    RequestRefusedError,
    ServiceClientError,
    ServiceNotConfiguredError,
    ServiceUnreachableError,
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
    ServiceClientError: ProblemType(502, "service-failed", "Another service failed"),
    ServiceNotConfiguredError: ProblemType(503, "service-not-configured", "Another service is not configured"),
    ServiceUnreachableError: ProblemType(503, "service-away", "Another service does not answer"),
    # As the other service answered.
    RequestRefusedError: lambda error: ProblemType(error.status, error.slug, error.title),
}
