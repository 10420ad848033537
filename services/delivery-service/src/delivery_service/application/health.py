"""What attempts say about endpoints: circuits open and close, and what fails for too long is disabled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

import structlog
from opentelemetry import metrics
from uuid_utils.compat import uuid7

from chassis.database.database import Transaction
from chassis.messaging.outbox import Outbox
from contracts.messages.delivery import EndpointDisabledItem
from contracts.messages.spec import MessageType
from contracts.vocabulary import Channel
from delivery_service.adapters import circuits
from delivery_service.adapters.circuits import Counted
from delivery_service.application.operational_events import Occurrence, publish
from delivery_service.domain.circuits import CircuitPolicy, Tally
from delivery_service.domain.disabling import Step
from delivery_service.domain.endpoints import OperationalEvent

log = structlog.get_logger(__name__)
_meter = metrics.get_meter("almanac.delivery")
_trips = _meter.create_counter("almanac_circuit_trips", description="Circuits that opened, at first or after a probe")
_disabled = _meter.create_counter("almanac_endpoints_disabled", description="Endpoints switched off, by reason")
_warnings = _meter.create_counter(
    "almanac_endpoint_disable_warnings", description="Endpoints that will be disabled unless an attempt succeeds"
)

DAYS_FROM_HOURS = 48
"""From this many hours on, a time is given in days."""


def begin() -> None:
    """Let the counts begin with 0: a series that began with its first count would not look increased by it."""
    _trips.add(0)
    _warnings.add(0)
    for reason in ("gone", "failing"):
        _disabled.add(0, {"reason": reason})


async def watch(tx: Transaction, outbox: Outbox, tallies: Sequence[Tally], policy: CircuitPolicy) -> list[Counted]:
    """Count attempts into the circuits; disable endpoints that are gone or failed for too long, and warn before that.

    Returns the endpoints that are not well, or were not until now.
    """
    counted = await circuits.count(tx, tallies, policy)
    degraded: list[Counted] = []
    for each in counted:
        if each.opened:
            _trips.add(1)
            log.warning("circuit opened", endpoint_id=str(each.endpoint_id), failed_in_row=each.in_row)
        if each.tally.pause_seconds:
            log.info("pause asked for", endpoint_id=str(each.endpoint_id), seconds=round(each.tally.pause_seconds, 1))
        reason, explanation = None, ""
        if each.tally.gone and each.current:
            reason, explanation = "gone", "it answered 410 Gone"
        elif each.counts and each.tally.trailing:
            match policy.disabling.step(each.in_row, each.failing_seconds, each.warned_seconds):
                case Step.DISABLE:
                    reason, explanation = "failing", _failures(each)
                case Step.WARN:
                    await _warn(tx, each, policy.disabling.warning_seconds)
        if reason:
            await _disable(tx, outbox, each, reason, explanation)
        degraded.append(replace(each, disabled=reason is not None))
    return degraded


def _failures(counted: Counted) -> str:
    hours = counted.failing_seconds / 3_600
    time = f"{hours / 24:.1f} days" if hours >= DAYS_FROM_HOURS else f"{hours:.1f} hours"
    return f"all {counted.in_row:,} attempts of the last {time} failed"


async def _warn(tx: Transaction, counted: Counted, seconds: float) -> None:
    warned = await circuits.warn(tx, counted.endpoint_id, seconds)
    _warnings.add(1)
    log.warning("endpoint will be disabled", endpoint_id=str(counted.endpoint_id), reason=_failures(counted))
    until = warned.not_before.astimezone(UTC).isoformat(timespec="seconds")
    data = {
        "message": f"Endpoint {counted.endpoint_id} will be disabled after {until} unless an attempt succeeds:"
        f" {_failures(counted)}",
        "endpointId": counted.endpoint_id,
        "failures": counted.in_row,
        "failingSince": warned.failing_since,
        "notDisabledBefore": warned.not_before,
        "httpStatus": counted.tally.http_status,
    }
    await publish(tx, OperationalEvent.ENDPOINT_FAILING, [Occurrence(warned.at, data, counted.endpoint_id)])


async def _disable(tx: Transaction, outbox: Outbox, counted: Counted, reason: str, explanation: str) -> None:
    disabled = await circuits.disable(tx, counted.endpoint_id, explanation)
    if disabled is None:
        return
    kind, at = disabled
    _disabled.add(1, {"reason": reason})
    log.warning("endpoint disabled", endpoint_id=str(counted.endpoint_id), reason=explanation)
    item = EndpointDisabledItem(
        item_id=uuid7(),
        endpoint_id=counted.endpoint_id,
        channel=Channel(kind),
        reason=reason,
        failures=counted.in_row,
        http_status=counted.tally.http_status,
        occurred_at=at,
    )
    await outbox.append(tx, [(MessageType.ENDPOINT_DISABLED, item)])
    data = {
        "message": f"Endpoint {counted.endpoint_id} was disabled: {explanation}",
        "endpointId": counted.endpoint_id,
        "reason": reason,
        "detail": explanation,
        "failures": counted.in_row,
        "httpStatus": counted.tally.http_status,
    }
    await publish(tx, OperationalEvent.ENDPOINT_DISABLED, [Occurrence(at, data, counted.endpoint_id)])
