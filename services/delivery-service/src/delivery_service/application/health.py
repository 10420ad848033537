"""What attempts say about endpoints: circuits open and close, and what fails for too long is switched off."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from opentelemetry import metrics
from uuid_utils.compat import uuid7

from chassis.database import Transaction
from chassis.outbox import Outbox
from contracts.messages.delivery import EndpointDisabledItem
from contracts.messages.spec import MessageType
from contracts.vocabulary import Channel
from delivery_service.adapters import circuits
from delivery_service.adapters.circuits import Counted
from delivery_service.application.troubles import tell
from delivery_service.domain.circuits import CircuitPolicy, Tally
from delivery_service.domain.endpoints import OperationalEvent

log = structlog.get_logger(__name__)
_meter = metrics.get_meter("almanac.delivery")
_trips = _meter.create_counter("almanac_circuit_trips", description="Circuits that opened, at first or after a probe")
_disabled = _meter.create_counter("almanac_endpoints_disabled", description="Endpoints switched off, by reason")


def begin() -> None:
    """Let the counts begin with 0: a series that began with its first count would not look increased by it."""
    _trips.add(0)
    for reason in ("gone", "failing"):
        _disabled.add(0, {"reason": reason})


async def watch(tx: Transaction, outbox: Outbox, tallies: Sequence[Tally], policy: CircuitPolicy) -> list[Counted]:
    """Count attempts into the circuits, and switch off what is gone or has failed for too long, with an announcement.

    Returns the endpoints that are not well, or were not until now.
    """
    counted = await circuits.count(tx, tallies, policy)
    unwell: list[Counted] = []
    for each in counted:
        if each.opened:
            _trips.add(1)
            log.warning("circuit opened", endpoint_id=str(each.endpoint_id), failed_in_row=each.in_row)
        if each.tally.pause_seconds:
            log.info("pause asked for", endpoint_id=str(each.endpoint_id), seconds=round(each.tally.pause_seconds, 1))
        reason = _why_disable(each, policy)
        if reason:
            await _disable(tx, outbox, each, *reason)
        unwell.append(replace(each, disabled=reason is not None))
    return unwell


def _why_disable(counted: Counted, policy: CircuitPolicy) -> tuple[str, str] | None:
    if counted.tally.gone and counted.current:
        return "gone", "it answered 410 Gone"
    if not counted.counts:
        return None
    if counted.in_row >= policy.disable_failures:
        return "failing", f"{counted.in_row} attempts failed in a row"
    if counted.failing_seconds >= policy.disable_seconds:
        return "failing", f"every attempt has failed for {counted.failing_seconds / 86_400:.1f} days"
    return None


async def _disable(tx: Transaction, outbox: Outbox, counted: Counted, reason: str, explanation: str) -> None:
    disabled = await circuits.disable(tx, counted.endpoint_id, explanation)
    if disabled is None:
        return
    kind, at = disabled
    _disabled.add(1, {"reason": reason})
    log.warning("endpoint switched off", endpoint_id=str(counted.endpoint_id), reason=explanation)
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
        "message": f"Endpoint {counted.endpoint_id} was switched off: {explanation}",
        "endpointId": counted.endpoint_id,
        "reason": reason,
        "detail": explanation,
        "failures": counted.in_row,
        "httpStatus": counted.tally.http_status,
    }
    await tell(tx, OperationalEvent.ENDPOINT_DISABLED, [(at, data, counted.endpoint_id)])
