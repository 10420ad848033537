"""Firing: due events are claimed, published and stamped, in batches. The stamp makes their successors (ADR 0027)."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import structlog
from opentelemetry import metrics

from chassis.database import Database
from chassis.outbox import Outbox
from contracts.vocabulary import Priority
from event_service.adapters import claims, events, recipients, schedules
from event_service.adapters.claims import Claim
from event_service.application import notices
from event_service.application.next_occurrence import schedule_next
from event_service.application.planning import cancel_orphans
from event_service.application.ports import DueEventBus
from event_service.domain.events import Event, Published
from event_service.domain.type_rules import Rulebook

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
    """See the settings of the same names. ``types`` are the rules of each type, by which successors are made."""

    batch: int
    lease_seconds: float
    outcome_seconds: float
    ahead_seconds: float = 0.0
    types: Rulebook = field(kw_only=True)


async def fire_due(
    database: Database,
    outbox: Outbox,
    bus: DueEventBus,
    rules: FiringRules,
    priority: int,
    *,
    since: datetime = claims.BEGINNING,
) -> int | None:
    """Claim and publish one batch of a priority. Returns how many were claimed, or None where the queue has no room.

    Args:
        since: no late event with an earlier target can be claimed.

    Raises:
        NotPublishedError: some were refused; they are PENDING again.
    """
    limit = min(rules.batch, await bus.room(priority))
    if limit <= 0:
        return None
    started = time.monotonic()
    claim = await claims.claim_due(
        database,
        priority=priority,
        limit=limit,
        token=uuid4(),
        lease_seconds=rules.lease_seconds,
        ahead_seconds=rules.ahead_seconds,
        since=since,
    )
    _claim_duration.record(time.monotonic() - started)
    if claim is None:
        return 0
    _claimed.add(len(claim.events), {"priority": Priority(priority).name})
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
    done = 0
    async for wave in _as_they_fall_due(claim):
        done += len(wave)
        # Of a wave that was claimed ahead, the latest has just come.
        now = max(claim.now, wave[-1].target)
        results = await bus.publish(wave, now)
        accepted = [(event, result) for event, result in zip(wave, results, strict=True) if result.error is None]
        refused = [event for event, result in zip(wave, results, strict=True) if result.error is not None]
        await _stamp(database, outbox, rules, priority, claim, accepted, now)
        if refused:
            # What is not due yet would fare no better: all goes back, and the loop slows down.
            returned = [*refused, *claim.events[done:]]
            async with database.transaction() as tx:
                await cancel_orphans(tx, outbox, await claims.give_back(tx, claim.token, returned))
            reason = next(result.error for result in results if result.error is not None)
            raise NotPublishedError(
                f"{len(returned)} of {len(claim.events)} events not published, the first because: {reason}"
            )


async def _as_they_fall_due(claim: Claim) -> AsyncIterator[Sequence[Event]]:
    """The claim's events by target, each once it is due and never before: all at once, but for those claimed ahead."""
    # Counted from when the claim was here, which is after the database read its clock.
    here, start = time.monotonic(), 0
    while start < len(claim.events):
        await asyncio.sleep(max(0.0, claim.delay(claim.events[start]) - (time.monotonic() - here)))
        waited = time.monotonic() - here
        end = bisect_right(claim.events, waited, start, key=claim.delay)
        if end > start:  # a timer may ring a moment early
            yield claim.events[start:end]
            start = end


async def _stamp(
    database: Database,
    outbox: Outbox,
    rules: FiringRules,
    priority: int,
    claim: Claim,
    accepted: Sequence[tuple[Event, Published]],
    claimed_at: datetime,
) -> None:
    if not accepted:
        return
    published = [event for event, _ in accepted]
    traceparents = {event.id: result.traceparent for event, result in accepted}
    async with database.transaction() as tx:
        # Schedules are locked before events, by everyone.
        live = await schedules.lock_live(tx, [event.id for event in published if event.schedule_id is not None])
        stamped = await claims.stamp(tx, claim.token, published, outcome_seconds=rules.outcome_seconds)
        recorded = [(event, live[event.id]) for event in published if event.id in live and event.id in stamped]
        people = await recipients.find(tx, {event.user_id for event, _ in recorded})
        now = await events.current_time(tx)
        continuation = await schedule_next(tx, rules.types, recorded, people, lambda event: traceparents[event.id], now)
        await outbox.append(
            tx,
            [
                *notices.published(published, list(traceparents.values()), claimed_at, now),
                *continuation.notices(now),
            ],
        )
    _published.add(len(published), {"priority": Priority(priority).name})
    _lateness.record(max(0.0, published[0].lateness(now).total_seconds()), {"priority": Priority(priority).name})
