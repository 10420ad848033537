"""Due events on their way to endpoints, and how each delivery ends."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from contracts.vocabulary import Channel, FailureReason
from delivery_service.domain.attempts import Attempt, Fault, Verdict
from delivery_service.domain.retries import RetryPolicy
from delivery_service.domain.templates import Template


class DeliveryStatus(StrEnum):
    """PENDING waits for its next attempt or is held by a worker."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A due event as it came. ``due`` is its message's body; ``queue_seconds`` is how long it was on the bus."""

    event_id: UUID
    attempt: int
    user_id: UUID
    event_type: str
    priority: int
    due: str
    target_at: datetime
    expires_at: datetime
    late: bool
    tags: tuple[str, ...]
    traceparent: str | None
    queue_seconds: float | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The time during which deliveries belong to one worker. ``token`` fences off later writes of that worker."""

    token: UUID
    seconds: float
    until: float
    """On this process's monotonic clock; never later than the database's own end of the lease."""

    @classmethod
    def begin(cls, seconds: float) -> "Lease":
        """To be called before the statement that takes it."""
        return cls(uuid4(), seconds, time.monotonic() + seconds)

    @property
    def begun_at(self) -> float:
        """Before the statement that took it, on the same clock."""
        return self.until - self.seconds


class ConfigurationExpiredError(Exception):
    """Connecting took so long that the endpoint may have changed meanwhile. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes, how, and within which limits; None is no limit, or the default schedule.

    ``rate_limit`` is per second; ``retry_schedule`` has the seconds before each retry. ``send_by``: until when, on this
    process's monotonic clock, a request may begin to be sent with this configuration.
    """

    endpoint_id: UUID
    version: int
    kind: Channel
    url: str | None
    sealed: str = field(repr=False)
    timeout_seconds: int
    rate_limit: float | None = None
    concurrency: int | None = None
    retry_schedule: tuple[float, ...] | None = None
    template: Template = field(default_factory=Template)
    respect_send_window: bool = False
    send_by: float | None = None


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A delivery that a worker holds: everything that an attempt needs.

    ``tries`` were made of the event's current attempt. ``traceparent`` is the trace in which the event fires.
    In place of a target there may be the reason why it must not be sent any more. ``due`` is the message's body, or
    that of the webhook for an operational event.

    ``generation`` is that of the endpoint's circuit when the delivery was claimed: attempts of an earlier one do not
    count. ``failing``: the endpoint's last attempt had failed by then. ``probe_of`` is the endpoint whose half-open
    circuit this delivery probes, if any.
    """

    delivery_id: UUID
    event_id: UUID
    lease: Lease
    tries: int
    due: str = field(repr=False)
    expires_at: datetime
    traceparent: str | None
    target: Target | FailureReason
    operational: bool = False
    generation: int = 0
    failing: bool = False
    probe_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a delivery continues: it ended, or is tried again after ``retry_in`` seconds of real time.

    A retry that would come after the event's expiry is turned into an end, ``expired``, where it is recorded.
    """

    dispatch: Dispatch
    status: DeliveryStatus
    reason: FailureReason | None = None
    retry_in: float | None = None
    attempt: Attempt | None = None


def not_sent(dispatch: Dispatch, reason: FailureReason) -> Result:
    """The end of a delivery that must not be sent any more."""
    return Result(dispatch, DeliveryStatus.FAILED, reason)


def conclude(dispatch: Dispatch, attempt: Attempt, policy: RetryPolicy, retry_after: float | None) -> Result:
    """What follows from an attempt."""
    match attempt.verdict:
        case Verdict.SUCCEEDED:
            return Result(dispatch, DeliveryStatus.SUCCEEDED, attempt=attempt)
        case Verdict.REJECTED:
            reason = FailureReason.NO_CONTACT if attempt.fault == Fault.NO_CONTACT else FailureReason.REJECTED
            return Result(dispatch, DeliveryStatus.FAILED, reason, attempt=attempt)
        case Verdict.GONE:
            return Result(dispatch, DeliveryStatus.FAILED, FailureReason.GONE, attempt=attempt)
        case Verdict.RETRY:
            schedule = None if isinstance(dispatch.target, FailureReason) else dispatch.target.retry_schedule
            retry_in = policy.delay(dispatch.tries + 1, retry_after, schedule)
            if retry_in is None:
                return Result(dispatch, DeliveryStatus.FAILED, FailureReason.EXHAUSTED, attempt=attempt)
            return Result(dispatch, DeliveryStatus.PENDING, retry_in=retry_in, attempt=attempt)


def without_evidence(result: Result, error_class: str) -> Result:
    """The same end of the delivery, with nothing kept of the answer but its status.

    For a result that could not be recorded: the status decides how the delivery continues, whatever fault the answer
    has, and the attempt shows ``internal_error`` with the exception's class.
    """
    if result.attempt is None:
        return result
    attempt = replace(
        result.attempt, fault=Fault.INTERNAL_ERROR, headers=None, excerpt=None, trace_id=None, detail=error_class
    )
    return replace(result, attempt=attempt)


def postponed(result: Result, error_class: str, policy: RetryPolicy) -> Result:
    """The last resort for a result whose end cannot be recorded: the attempt is kept and the delivery tried again.

    The delay is the policy's, or its longest once all tries are used up, so that nothing is repeated at the pace of
    expiring leases.
    """
    bare = without_evidence(result, error_class)
    delay = policy.delay(result.dispatch.tries + 1)
    attempt = None if bare.attempt is None else replace(bare.attempt, verdict=Verdict.RETRY)
    return Result(
        result.dispatch, DeliveryStatus.PENDING, retry_in=policy.cap if delay is None else delay, attempt=attempt
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the API shows it. ``endpoint_id`` is None for an event that no endpoint wanted.

    ``channel`` is None for that too, and for a delivery from a time when it was not kept.
    ``next_attempt_at`` is None while a worker holds it and once it has ended.
    """

    id: UUID
    event_id: UUID
    user_id: UUID | None
    event_type: str
    endpoint_id: UUID | None
    channel: str | None
    priority: int
    status: DeliveryStatus
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    http_status: int | None
    latency_seconds: float | None
    target_at: datetime
    expires_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Search:
    """Which deliveries are wanted: those that meet everything given. ``before`` is the last one's id of a page.

    From ``from_at`` on and before ``to_at`` is when they were created, in real time.
    """

    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    user_id: UUID | None = None
    status: DeliveryStatus | None = None
    reason: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    before: UUID | None = None
