"""Firing: due events are claimed, published and stamped, in batches (design §4 "Claim")."""

import time
from dataclasses import dataclass
from uuid import uuid4

import structlog
from opentelemetry import metrics

from chassis.database import Database
from chassis.outbox import Outbox
from event_service.adapters import claims, events
from event_service.adapters.claims import Claim
from event_service.application import notices
from event_service.application.planning import cancel_orphans
from event_service.application.ports import DueEventBus
from event_service.domain.events import Event

log = structlog.get_logger(__name__)
meter = metrics.get_meter("almanac.scheduler")
_claimed = meter.create_counter("almanac_events_claimed", description="Events claimed, by priority")
_published = meter.create_counter("almanac_events_published", description="Events that SNS accepted, by priority")
_claim_duration = meter.create_histogram("almanac_claim_duration", unit="s", description="Time of one claim statement")
_lateness = meter.create_histogram(
    "almanac_publish_lateness", unit="s", description="From target to publication of the latest of a batch, by priority"
)


class NotPublishedError(RuntimeError):
    """The bus did not accept everything; what it refused is claimable again."""


@dataclass(frozen=True, slots=True)
class FiringRules:
    """See the settings of the same names."""

    batch: int
    lease_seconds: float
    outcome_seconds: float


async def fire_due(
    database: Database, outbox: Outbox, bus: DueEventBus, rules: FiringRules, priority: int
) -> int | None:
    """Claim and publish one batch of a priority. Returns how many were claimed, or None where the queue has no room.

    Raises:
        NotPublishedError: some were refused; they are PENDING again.
    """
    limit = min(rules.batch, await bus.room(priority))
    if limit <= 0:
        return None
    started = time.monotonic()
    claim = await claims.claim_due(
        database, priority=priority, limit=limit, token=uuid4(), lease_seconds=rules.lease_seconds
    )
    _claim_duration.record(time.monotonic() - started)
    if claim is None:
        return 0
    _claimed.add(len(claim.events), {"priority": priority})
    await _publish(database, outbox, bus, rules, priority, claim)
    return len(claim.events)


async def publish_again(database: Database, outbox: Outbox, bus: DueEventBus, rules: FiringRules, priority: int) -> int:
    """Publish what was published once and never answered: same attempt, same key, so that nobody is greeted twice.

    As much as the queue has room for. Returns how many; raises NotPublishedError.
    """
    if not await claims.any_unanswered(database, priority):
        return 0
    limit = min(rules.batch, await bus.room(priority))
    if limit <= 0:
        return 0
    claim = await claims.reclaim_unanswered(
        database, priority=priority, limit=limit, token=uuid4(), lease_seconds=rules.lease_seconds
    )
    if claim is None:
        return 0
    log.warning("published again for want of an outcome", events=len(claim.events))
    await _publish(database, outbox, bus, rules, priority, claim)
    return len(claim.events)


async def return_claims(database: Database, outbox: Outbox, rules: FiringRules) -> int:
    """Return one batch of claims whose holder did not publish them in time. Returns how many."""
    async with database.transaction() as tx:
        returned = await claims.reap_leases(tx, limit=rules.batch)
        await cancel_orphans(tx, outbox, returned)
    if returned:
        log.warning("claims returned, their leases had expired", events=len(returned))
    return len(returned)


async def _publish(
    database: Database, outbox: Outbox, bus: DueEventBus, rules: FiringRules, priority: int, claim: Claim
) -> None:
    results = await bus.publish(claim.events, claim.now)
    accepted: list[Event] = []
    traceparents: list[str | None] = []
    refused: list[Event] = []
    for event, result in zip(claim.events, results, strict=True):
        if result.error is None:
            accepted.append(event)
            traceparents.append(result.traceparent)
        else:
            refused.append(event)
    async with database.transaction() as tx:
        await claims.stamp(tx, claim.token, accepted, outcome_seconds=rules.outcome_seconds)
        now = await events.current_time(tx)
        await outbox.append(tx, notices.published(accepted, traceparents, claim.now, now))
    if accepted:
        _published.add(len(accepted), {"priority": priority})
        _lateness.record(max(0.0, accepted[0].lateness(now).total_seconds()), {"priority": priority})
    if refused:
        async with database.transaction() as tx:
            await cancel_orphans(tx, outbox, await claims.give_back(tx, claim.token, refused))
        reason = next(result.error for result in results if result.error is not None)
        raise NotPublishedError(f"{len(refused)} of {len(results)} events not published, the first because: {reason}")
